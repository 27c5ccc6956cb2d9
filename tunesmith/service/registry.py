"""Registered models of a tenant: what they are called, which there are, and taking one away."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from tunesmith.artifacts import MANIFEST
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service.services import Services
from tunesmith.store.tables import Model

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
