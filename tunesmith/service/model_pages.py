"""The registry: models that came out of runs, their versions, aliases and lineage."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from tunesmith.artifacts import read_manifest
from tunesmith.errors import Conflict, InUse, NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.schema import check_name
from tunesmith.service import rollouts
from tunesmith.service.access import Actor
from tunesmith.service.alias_moves import record_move
from tunesmith.service.registry import find_model
from tunesmith.service.services import Services
from tunesmith.store.pages import read_page
from tunesmith.store.tables import TERMINAL, Alias, Job, Model, Tenant


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model. `kind` is what its files are: an adapter, weights.

    `run` is None for one that was not trained here.
    """

    id: str
    name: str
    version: int
    kind: str
    base: str
    run: str | None
    description: str
    aliases: list[str]
    digest: str
    num_bytes: int
    created_at: datetime


@dataclass(frozen=True)
class ModelLineage:
    """What a model was made from, and the models that were made from it."""

    model: RegisteredModel
    made_from: dict[str, Any]
    made_into: list[str]


@dataclass(frozen=True)
class AliasView:
    """A name that points to a version of a model."""

    name: str
    model_id: str
    model: str


# --- looking ---------------------------------------------------------------------------------


def list_models(
    services: Services, tenant_id: str, *, name: str | None, after: str | None, limit: int
) -> tuple[list[RegisteredModel], bool]:
    """A page of model versions, newest first; `name` asks for the versions of one.

    Raises:
        NotFound: there is no model `after`.
    """
    wanted = select(Model).where(Model.tenant_id == tenant_id)
    if name is not None:
        wanted = wanted.where(Model.name == name)
    with services.database.reading() as db:
        last = get_row(db, tenant_id, after) if after is not None else None
        by = (Model.created_at, Model.id)
        models, has_more = read_page(db, wanted, by=by, after=last, limit=limit)
        return _views(services, db, models), has_more


def get_model(services: Services, tenant_id: str, model_id: str) -> RegisteredModel:
    """A version of a model.

    Raises:
        NotFound: the tenant has no such model.
    """
    with services.database.reading() as db:
        return _views(services, db, [get_row(db, tenant_id, model_id)])[0]


def get_row(db: Session, tenant_id: str, model_id: str) -> Model:
    """The row of a tenant's model.

    Raises:
        NotFound: the tenant has no such model.
    """
    model = db.get(Model, model_id)
    if model is None or model.tenant_id != tenant_id:
        raise NotFound(f"there is no model {model_id}")
    return model


def _views(services: Services, db: Session, models: Sequence[Model]) -> list[RegisteredModel]:
    ids = [model.id for model in models]
    aliases = db.scalars(select(Alias).where(Alias.model_id.in_(ids)).order_by(Alias.name)).all()
    return [
        RegisteredModel(
            id=model.id,
            name=model.name,
            version=model.version,
            kind=model.kind,
            base=model.base,
            run=model.job_id
            if model.folder.startswith("runs/")
            else None,  # else it came as a file
            description=model.description,
            aliases=[alias.name for alias in aliases if alias.model_id == model.id],
            digest=model.digest,
            num_bytes=_num_bytes(model_folder(services, model)),
            created_at=model.created_at,
        )
        for model in models
    ]


def _num_bytes(folder: Path) -> int:
    manifest = read_manifest(folder)
    return sum(entry.bytes for entry in manifest.files.values()) if manifest else 0


def model_folder(services: Services, model: Model) -> Path:
    """Where a model's files lie."""
    return services.home(model.tenant_id).folder / model.folder


def lineage(services: Services, tenant_id: str, model_id: str) -> ModelLineage:
    """What a model was made from and into.

    Raises:
        NotFound: the tenant has no such model.
    """
    with services.database.reading() as db:
        model = get_row(db, tenant_id, model_id)
        view = _views(services, db, [model])[0]
        others = db.scalars(select(Model).where(Model.tenant_id == tenant_id)).all()
    manifest = read_manifest(model_folder(services, model))
    # Of the environment, which names the machine's libraries, only the digest of the base counts.
    facts = {k: v for k, v in (manifest.lineage if manifest else {}).items() if k != "environment"}
    children = [each.id for each in others if each.base in _references(model)]
    return ModelLineage(view, facts, children)


def _references(model: Model) -> set[str]:
    return {model.id, f"{model.name}@{model.version}"}


# --- changing --------------------------------------------------------------------------------


def change_model(
    services: Services,
    tenant_id: str,
    model_id: str,
    *,
    name: str | None,
    description: str | None,
) -> RegisteredModel:
    """Give all versions of the model's name another name, or this version a description.

    Raises:
        NotFound: the tenant has no such model.
        NameInvalid: `name` breaks the rules.
        Conflict: another model, a base model or an alias has that name.
    """
    with services.database.transaction() as db:
        model = get_row(db, tenant_id, model_id)
        if name is not None and name != model.name:
            _check_free(db, tenant_id, check_name(name))
            versions = update(Model).where(Model.tenant_id == tenant_id, Model.name == model.name)
            db.execute(versions.values(name=name), execution_options={"synchronize_session": False})
            db.refresh(model)
        if description is not None:
            model.description = description
        db.flush()
        return _views(services, db, [model])[0]


def _check_free(db: Session, tenant_id: str, name: str) -> None:
    taken = select(Model.id).where(Model.tenant_id == tenant_id, Model.name == name).limit(1)
    if name in CATALOG or db.get(Alias, (tenant_id, name)) or db.scalars(taken).first():
        raise Conflict(f"there is a model or alias {name!r} already", hint="choose another name")


def delete_model(services: Services, tenant_id: str, model_id: str) -> None:
    """Delete a version of a model and its files; the run that it came from stays.

    Raises:
        NotFound: the tenant has no such model.
        InUse: an alias points to it, another model is based on it, it is deployed, or a job is to
            use it.
    """
    with services.database.transaction() as db:
        model = get_row(db, tenant_id, model_id)
        use = _use(services, db, model)
        if use is not None:
            raise InUse(
                f"model {model.name}@{model.version} is used by {use}", hint="end that first"
            )
        db.delete(model)
    shutil.rmtree(model_folder(services, model), ignore_errors=True)


def _use(services: Services, db: Session, model: Model) -> str | None:
    alias = db.scalars(select(Alias).where(Alias.model_id == model.id)).first()
    if alias is not None:
        return f"the alias {alias.name}"
    deployment = rollouts.live_use(db, model.tenant_id, model.id)
    if deployment is not None:
        return deployment
    based = select(Model).where(
        Model.tenant_id == model.tenant_id, Model.base.in_(_references(model))
    )
    child = db.scalars(based).first()
    if child is not None:
        return f"the model {child.name}@{child.version}"
    unfinished = select(Job).where(Job.tenant_id == model.tenant_id, Job.status.not_in(TERMINAL))
    newest = select(func.max(Model.version)).where(
        Model.tenant_id == model.tenant_id, Model.name == model.name
    )
    meant = _references(model)
    if db.scalars(newest).one() == model.version:
        meant.add(model.name)
    for job in db.scalars(unfinished):
        request = job.spec["request"]
        pinned = model.id in job.spec["pins"].values()
        if pinned or request.get("recipe", request).get("model") in meant:
            return f"job {job.id}"
    return None


# --- aliases ---------------------------------------------------------------------------------


def list_aliases(services: Services, tenant_id: str) -> list[AliasView]:
    """The aliases of a tenant, by name."""
    wanted = (
        select(Alias.name, Model)
        .join(Model, Model.id == Alias.model_id)
        .where(Alias.tenant_id == tenant_id)
        .order_by(Alias.name)
    )
    with services.database.reading() as db:
        return [
            AliasView(name, model.id, f"{model.name}@{model.version}")
            for name, model in db.execute(wanted)
        ]


def set_alias(
    services: Services, actor: Actor, name: str, *, model: str, instead_of: str | None = None
) -> AliasView:
    """Let `name` point to a model, given by id, name or NAME@VERSION; it moves if it exists.

    With `instead_of`, only if it points to that model: two people do not move it at the same time.
    A deployment that follows it answers on until its successor is ready.

    Raises:
        NameInvalid: `name` breaks the rules.
        NotFound: the tenant has no such model.
        Conflict: a model has that name, or the alias points elsewhere than `instead_of`.
    """
    check_name(name)
    tenant_id = actor.tenant_id
    meant = find_model(services, tenant_id, model)
    base = rollouts.base_of(services, meant)
    former = find_model(services, tenant_id, instead_of).id if instead_of else None
    with services.database.transaction() as db:
        # Held, so that moves take turns and each begins where the one before it ended.
        db.get_one(Tenant, tenant_id, with_for_update=True)
        alias = db.get(Alias, (tenant_id, name))
        pointed_to = alias.model_id if alias else None
        if former is not None and former != pointed_to:
            raise Conflict(
                f"{name} does not point to {instead_of} any more", hint="look at its history"
            )
        if alias is None:
            _check_free(db, tenant_id, name)
            db.add(Alias(tenant_id=tenant_id, name=name, model_id=meant.id))
        else:
            alias.model_id = meant.id
            rollouts.follow_alias(services, db, tenant_id, name, model=meant, base=base)
        if pointed_to != meant.id:
            record_move(db, actor, name, from_id=pointed_to, to_id=meant.id, now=services.clock())
    return AliasView(name, meant.id, f"{meant.name}@{meant.version}")


def delete_alias(services: Services, actor: Actor, name: str) -> None:
    """Forget an alias; the model stays, and so does the alias's history.

    Raises:
        NotFound: the tenant has no such alias.
        InUse: a deployment follows it.
    """
    with services.database.transaction() as db:
        db.get_one(Tenant, actor.tenant_id, with_for_update=True)
        alias = db.get(Alias, (actor.tenant_id, name))
        if alias is None:
            raise NotFound(f"there is no alias {name!r}")
        follower = rollouts.follower_of(db, actor.tenant_id, name)
        if follower is not None:
            raise InUse(f"the deployment {follower} follows it", hint="stop that first")
        record_move(db, actor, name, from_id=alias.model_id, to_id=None, now=services.clock())
        db.delete(alias)
