"""Where jobs of a kind leave their artifacts, for those that are looked at by their job's id."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, NotFound
from tunesmith.evaluation.report import REPORT
from tunesmith.service.jobs import find_job
from tunesmith.service.preparation import job_folder
from tunesmith.service.services import Services
from tunesmith.store.tables import TERMINAL, Job
from tunesmith.training.job import RESULT

_CALLED: Mapping[str, str] = {"compare": "comparison", "evaluate": "evaluation"}


def find_of_kind(db: Session, tenant_id: str, job_id: str, *, kind: str) -> Job:
    """The row of a tenant's job of this kind.

    Raises:
        NotFound: the tenant has no such job.
    """
    with suppress(NotFound):
        job = find_job(db, tenant_id, job_id)
        if job.kind == kind:
            return job
    what = _CALLED[kind]
    raise NotFound(f"there is no {what} {job_id}")


def find_ended(db: Session, tenant_id: str, job_id: str, *, kind: str) -> Job:
    """The row of a tenant's job of this kind that nobody works on any more.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it has not ended.
    """
    job = find_of_kind(db, tenant_id, job_id, kind=kind)
    if job.status not in TERMINAL:
        raise Conflict(f"{job.id} is {job.status}", hint="cancel its job first")
    return job


def finished_folder(
    services: Services, db: Session, tenant_id: str, job_id: str, *, kind: str
) -> Path:
    """The artifact of a tenant's job of this kind.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it has not succeeded.
    """
    job = find_of_kind(db, tenant_id, job_id, kind=kind)
    if job.status != "succeeded":
        raise Conflict(f"{job.id} is {job.status}", hint="there are no answers yet")
    return result_folder(services, job)


def read_report(services: Services, tenant_id: str, job_id: str, *, kind: str) -> str:
    """The HTML page of a tenant's job of this kind.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it has not succeeded.
    """
    with services.database.reading() as db:
        folder = finished_folder(services, db, tenant_id, job_id, kind=kind)
    return (folder / REPORT).read_text("utf-8")


def result_folder(services: Services, job: Job) -> Path:
    """Where a job leaves its artifact."""
    return job_folder(services, job) / RESULT
