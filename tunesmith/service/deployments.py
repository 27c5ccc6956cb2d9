"""Deployments: which models a tenant wants to have answered by, and how they fare."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.artifacts import read_manifest
from tunesmith.errors import Conflict, NotFound, UserError
from tunesmith.modeling.catalog import CATALOG
from tunesmith.schema import Strict, setting
from tunesmith.service.access import Actor
from tunesmith.service.engine_plan import base_folder
from tunesmith.service.registry import find_model
from tunesmith.service.services import Services
from tunesmith.service.subscriptions import find_channel
from tunesmith.serving.engines import ENGINES, REFERENCE, check_engine
from tunesmith.store.engines import move_deployment, tell_of_deployment
from tunesmith.store.pages import read_page
from tunesmith.store.tables import (
    LIVE,
    Alias,
    Deployment,
    DeploymentState,
    InferenceEngine,
    new_id,
)


class DeploymentRequest(Strict):
    """A model to deploy."""

    model: str = setting(
        ...,
        "a model's id, name or NAME@VERSION, a base model, or an alias, whose moves are followed",
        min_length=1,
        max_length=300,
    )
    engine: str = setting(REFERENCE, "the program that serves it", max_length=40)
    notify: list[str] = setting([], "channels that hear of it, by their ids", max_length=100)


@dataclass(frozen=True)
class DeploymentView:
    """A deployment as its tenant sees it.

    Attributes:
        id: of the deployment.
        model: what answers: a registered model's id, or a base model.
        reference: what was asked for.
        alias: the alias that it follows.
        base: the base model that it stands on.
        engine: the program that serves it.
        state: deploying, ready, failed or stopped.
        message: why, in a sentence.
        hint: what to do.
        engine_bytes: memory that its engine may take, with all that stands on it.
        created_by: who deployed it.
        created_at: when.
        changed_at: since when it is in its state.
    """

    id: str
    model: str
    reference: str
    alias: str | None
    base: str
    engine: str
    state: DeploymentState
    message: str
    hint: str
    engine_bytes: int
    created_by: str
    created_at: datetime
    changed_at: datetime


# --- looking ---------------------------------------------------------------------------------


def list_deployments(
    services: Services,
    tenant_id: str,
    *,
    states: list[DeploymentState],
    after: str | None,
    limit: int,
) -> tuple[list[DeploymentView], bool]:
    """A page of deployments, newest first; `after` is the last id seen.

    Raises:
        NotFound: there is no deployment `after`.
    """
    wanted = select(Deployment).where(Deployment.tenant_id == tenant_id)
    if states:
        wanted = wanted.where(Deployment.state.in_(states))
    with services.database.reading() as db:
        last = _find(db, tenant_id, after) if after is not None else None
        by = (Deployment.created_at, Deployment.id)
        rows, has_more = read_page(db, wanted, by=by, after=last, limit=limit)
        return [_view(db, row) for row in rows], has_more


def get_deployment(services: Services, tenant_id: str, deployment_id: str) -> DeploymentView:
    """A deployment.

    Raises:
        NotFound: the tenant has no such deployment.
    """
    with services.database.reading() as db:
        return _view(db, _find(db, tenant_id, deployment_id))


def _find(db: Session, tenant_id: str, deployment_id: str) -> Deployment:
    deployment = db.get(Deployment, deployment_id)
    if deployment is None or deployment.tenant_id != tenant_id:
        raise NotFound(f"there is no deployment {deployment_id}")
    return deployment


def _view(db: Session, deployment: Deployment) -> DeploymentView:
    engine = db.get_one(InferenceEngine, deployment.engine_id)
    return DeploymentView(
        id=deployment.id,
        model=deployment.model,
        reference=deployment.reference,
        alias=deployment.alias,
        base=engine.base,
        engine=engine.kind,
        state=deployment.state,
        message=deployment.message,
        hint=deployment.hint,
        engine_bytes=engine.memory_bytes if deployment.state in LIVE else 0,
        created_by=deployment.created_by,
        created_at=deployment.created_at,
        changed_at=deployment.changed_at,
    )


@dataclass(frozen=True)
class EngineChoice:
    """An engine for a model.

    Attributes:
        engine: its name.
        summary: what it is, in a line.
        obstacle: why it cannot serve the model; empty if it can.
        hint: what to do about that.
    """

    engine: str
    summary: str
    obstacle: str
    hint: str


def list_engines(services: Services, tenant_id: str, reference: str) -> list[EngineChoice]:
    """Every engine, and whether it can serve the model that `reference` means."""
    try:
        served = _resolve_with_folder(services, tenant_id, reference)
    except UserError as error:  # which no engine can mend
        return [
            EngineChoice(kind, engine.summary, error.message, error.hint)
            for kind, engine in ENGINES.items()
        ]
    return [_choice(kind, reference, *served) for kind in ENGINES]


def _choice(kind: str, reference: str, model: str, base: str, folder: Path) -> EngineChoice:
    obstacle = hint = ""
    try:
        check_engine(kind, model=reference, base=folder, is_adapter=model != base)
    except UserError as error:
        obstacle, hint = error.message, error.hint
    return EngineChoice(kind, ENGINES[kind].summary, obstacle, hint)


# --- changing --------------------------------------------------------------------------------


def deploy(services: Services, request: DeploymentRequest, *, actor: Actor) -> DeploymentView:
    """Ask for a model to be served. What is asked for twice is there once.

    Raises:
        NotFound: the tenant has no such model or channel, the base model was not pulled, or there
            is no such engine.
        RecipeInvalid: the engine is not installed, or serves no adapters.
        ModelRejected: the engine cannot serve the base model.
    """
    model, base, folder = _resolve_with_folder(services, actor.tenant_id, request.model)
    check_engine(request.engine, model=request.model, base=folder, is_adapter=model != base)
    with services.database.transaction() as db:
        for channel_id in request.notify:
            find_channel(db, actor.tenant_id, channel_id)
        alias = db.get(Alias, (actor.tenant_id, request.model))
        same = select(Deployment).where(
            Deployment.tenant_id == actor.tenant_id,
            Deployment.model == model,
            Deployment.alias == (None if alias is None else alias.name),
            Deployment.state.in_(LIVE),
        )
        found = db.scalars(same).first()
        if found is None:
            engine_id = engine_for(services, db, kind=request.engine, base=base)
            now = services.clock()
            found = Deployment(
                id=new_id("deployment"),
                tenant_id=actor.tenant_id,
                engine_id=engine_id,
                model=model,
                reference=request.model,
                alias=None if alias is None else alias.name,
                state="deploying",
                notify=request.notify,
                created_by=actor.email,
                created_at=now,
                changed_at=now,
            )
            add_deployment(db, found)
        return _view(db, found)


def _resolve_with_folder(
    services: Services, tenant_id: str, reference: str
) -> tuple[str, str, Path]:
    """As `resolve`, and where the base lies."""
    model, base = resolve(services, tenant_id, reference)
    with services.database.reading() as db:
        return model, base, base_folder(services, db, base)


def resolve(services: Services, tenant_id: str, reference: str) -> tuple[str, str]:
    """The model that `reference` means now, and the base that it stands on.

    Raises:
        NotFound: the tenant has no such model, or the base model was not pulled.
    """
    if reference in CATALOG:
        if read_manifest(services.installation.models / reference) is None:
            raise NotFound(
                f"the base model {reference} is not here", hint="pull it first, with a job"
            )
        return reference, reference
    model = find_model(services, tenant_id, reference)
    if model.kind != "adapter":
        return model.id, model.id
    if model.base in CATALOG:
        return model.id, model.base
    return model.id, find_model(services, tenant_id, model.base).id


def engine_for(services: Services, db: Session, *, kind: str, base: str) -> str:
    """The one engine of its kind for a base, made if it is the first time."""
    pool = services.config.pool
    wanted = select(InferenceEngine).where(
        InferenceEngine.kind == kind, InferenceEngine.base == base, InferenceEngine.pool == pool
    )
    engine = db.scalars(wanted).one_or_none()
    if engine is None:
        engine = InferenceEngine(id=new_id("engine"), kind=kind, base=base, pool=pool)
        db.add(engine)
        db.flush()
    return engine.id


def add_deployment(db: Session, deployment: Deployment) -> None:
    """Keep a new deployment, and tell of it."""
    db.add(deployment)
    db.flush()
    tell_of_deployment(db, deployment, now=deployment.created_at)


def stop_deployment(services: Services, tenant_id: str, deployment_id: str) -> DeploymentView:
    """Take no more requests; answers under way are finished, then its memory is free.

    Raises:
        NotFound: the tenant has no such deployment.
        Conflict: it has stopped or failed.
    """
    return _move(services, tenant_id, deployment_id, to="stopped")


def start_deployment(services: Services, tenant_id: str, deployment_id: str) -> DeploymentView:
    """Deploy again what has stopped or failed.

    Raises:
        NotFound: the tenant has no such deployment.
        Conflict: it is not stopped or failed.
    """
    return _move(services, tenant_id, deployment_id, to="deploying")


def _move(
    services: Services, tenant_id: str, deployment_id: str, *, to: DeploymentState
) -> DeploymentView:
    with services.database.transaction() as db:
        deployment = _find(db, tenant_id, deployment_id)
        is_live = deployment.state in LIVE
        if is_live == (to == "deploying"):
            raise Conflict(f"the deployment is {deployment.state}")
        move_deployment(db, deployment_id, to=to, now=services.clock())
        return _view(db, db.get_one(Deployment, deployment_id, populate_existing=True))


def delete_deployment(services: Services, tenant_id: str, deployment_id: str) -> None:
    """Forget a deployment that does not answer; what its requests were stays in the log.

    Raises:
        NotFound: the tenant has no such deployment.
        Conflict: it is live.
    """
    with services.database.transaction() as db:
        deployment = _find(db, tenant_id, deployment_id)
        if deployment.state in LIVE:
            raise Conflict(f"the deployment is {deployment.state}", hint="stop it first")
        db.delete(deployment)
