"""Registered models of a tenant: what they are called, which there are, and finding one."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import String, cast, func, or_, select
from sqlalchemy.orm import Session

from tunesmith.artifacts import MANIFEST, Manifest
from tunesmith.errors import NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service.services import Services
from tunesmith.store.tables import LIVE, Alias, Deployment, Job, Model, Tenant

_SHORT_ID_DIGITS = 12  # 48 of the 96 random bits of a job's id


def model_id(*, base: str, tenant: str, name: str, job_id: str) -> str:
    """What the model that `job_id` makes is called: `ft:BASE:TENANT:NAME:SHORT-ID`.

    A base that was itself fine-tuned stands for the one that it came from. No part holds a ':', '/'
    or '@', so that an id can stand in an address and is no NAME@VERSION.
    """
    root = base.split(":")[1] if base.startswith("ft:") else base.partition("@")[0]
    return f"ft:{root}:{tenant}:{name}:{short_id(job_id)}"


def short_id(job_id: str) -> str:
    """The part of a job's id by which its model is known."""
    return job_id[-_SHORT_ID_DIGITS:]


def step_suffix(step: int) -> str:
    """How the id of a model ends that was the checkpoint after `step` steps."""
    return f"-step-{step}"


def name_of_model(job: Job) -> str:
    """What the model of a job is called: as its recipe says, though the run be renamed since."""
    recipe = job.spec.get("extended_recipe") or job.spec["request"].get("recipe")
    return recipe["name"] if recipe else job.name


def add_model(
    db: Session,
    job: Job,
    manifest: Manifest,
    *,
    name: str,
    folder: str,
    now: datetime,
    step: int | None = None,
) -> Model:
    """Register what `job` made as the next version of the model `name`.

    `step` is that of a checkpoint, None for the result; `folder` is within the tenant's.
    """
    # Held, so that versions are counted one by one.
    tenant = db.get_one(Tenant, job.tenant_id, with_for_update=True)
    newest = select(func.coalesce(func.max(Model.version), 0)).where(
        Model.tenant_id == tenant.id, Model.name == name
    )
    base = str(manifest.lineage.get("base_reference", ""))
    whole = model_id(base=base, tenant=tenant.name, name=name, job_id=job.id)
    model = Model(
        id=whole if step is None else whole + step_suffix(step),
        tenant_id=tenant.id,
        name=name,
        version=db.scalars(newest).one() + 1,
        kind=manifest.kind,
        base=base,
        job_id=job.id,
        digest=manifest.digest,
        folder=folder,
        created_at=now,
    )
    db.add(model)
    return model


@dataclass(frozen=True)
class BaseView:
    """A base model of the catalog that is here."""

    name: str
    since: datetime


def list_bases(services: Services) -> list[BaseView]:
    """The base models of the catalog that were fetched, by name."""
    manifests = ((name, services.installation.models / name / MANIFEST) for name in sorted(CATALOG))
    return [
        BaseView(name, datetime.fromtimestamp(path.stat().st_mtime, UTC))
        for name, path in manifests
        if path.exists()
    ]


def list_registered(services: Services, tenant_id: str) -> list[Model]:
    """The registered models of a tenant, newest first."""
    mine = select(Model).where(Model.tenant_id == tenant_id)
    with services.database.reading() as db:
        return list(db.scalars(mine.order_by(Model.created_at.desc(), Model.id)))


def list_offered(
    services: Services, tenant_id: str, *, most: int, also: Collection[str]
) -> list[Model]:
    """Models to choose from, newest first: the newest, what is deployed, and `also`.

    `also` are ids and NAME@VERSIONs.
    """
    newest_first = (Model.created_at.desc(), Model.id)
    mine = select(Model).where(Model.tenant_id == tenant_id)
    newest = select(Model.id).where(Model.tenant_id == tenant_id).order_by(*newest_first)
    deployed = select(Deployment.model).where(
        Deployment.tenant_id == tenant_id, Deployment.state.in_(LIVE)
    )
    named = Model.name.concat("@").concat(cast(Model.version, String)).in_(also)
    offered = or_(
        Model.id.in_(newest.limit(most)), Model.id.in_(deployed), Model.id.in_(also), named
    )
    with services.database.reading() as db:
        return list(db.scalars(mine.where(offered).order_by(*newest_first)))


def find_model(services: Services, tenant_id: str, reference: str) -> Model:
    """A registered model by id, name (its newest version), NAME@VERSION or alias.

    Raises:
        NotFound: the tenant has no such model.
    """
    name, _, version = reference.partition("@")
    wanted = select(Model).where(Model.tenant_id == tenant_id)
    if version.isdigit():
        wanted = wanted.where(Model.name == name, Model.version == int(version))
    else:
        alias = select(Alias.model_id).where(Alias.tenant_id == tenant_id, Alias.name == reference)
        wanted = wanted.where(
            (Model.id == reference) | (Model.name == reference) | Model.id.in_(alias)
        )
    with services.database.reading() as db:
        model = db.scalars(wanted.order_by(Model.version.desc()).limit(1)).first()
    if model is None:
        raise NotFound(
            f"there is no model {reference!r}", hint=f"base models: {', '.join(sorted(CATALOG))}"
        )
    return model
