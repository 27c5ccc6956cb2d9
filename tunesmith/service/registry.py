"""Registered models of a tenant: what they are called, which there are, and taking one away."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.artifacts import MANIFEST
from tunesmith.errors import InUse
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service.job_needs import find_model
from tunesmith.service.services import Services
from tunesmith.store.tables import TERMINAL, Alias, Job, Model

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


def delete_registered(services: Services, tenant_id: str, reference: str) -> Model:
    """Take a model from the registry; the run that made it stays, with its checkpoints.

    Raises:
        NotFound: the tenant has no such model.
        InUse: an alias names it, or a job that has not ended trains it further.
    """
    model = find_model(services, tenant_id, reference)
    with services.database.transaction() as db:
        alias = db.scalars(select(Alias).where(Alias.model_id == model.id)).first()
        if alias is not None:
            raise InUse(
                f"the alias {alias.name} names model {model.id}", hint="move the alias first"
            )
        _refuse_if_needed(db, model)
        db.execute(delete(Model).where(Model.id == model.id))
    return model


def _refuse_if_needed(db: Session, model: Model) -> None:
    names = (model.id, model.name, f"{model.name}@{model.version}")
    unfinished = select(Job).where(
        Job.tenant_id == model.tenant_id, Job.status.not_in(TERMINAL), Job.kind == "train"
    )
    for job in db.scalars(unfinished):
        if job.spec["request"].get("recipe", {}).get("model") in names:
            raise InUse(f"job {job.id} trains model {model.id}", hint="wait for it, or cancel it")
