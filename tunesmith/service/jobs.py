"""Jobs in the queue: looking at them, steering them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, String, cast, or_, select
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, NotFound
from tunesmith.failpoints import failpoint
from tunesmith.service.job_views import JobView, view_jobs
from tunesmith.service.services import Services
from tunesmith.store import requests
from tunesmith.store.pages import read_page
from tunesmith.store.tables import TERMINAL, Job, JobNeed, JobStatus

# --- looking ---------------------------------------------------------------------------------


def get_job(services: Services, tenant_id: str, job_id: str) -> JobView:
    """One job of a tenant.

    Raises:
        NotFound: the tenant has no such job.
    """
    with services.database.reading() as db:
        return view_jobs(services, db, [find_job(db, tenant_id, job_id)])[0]


def find_job(db: Session, tenant_id: str, job_id: str) -> Job:
    """The row of a tenant's job.

    Raises:
        NotFound: the tenant has no such job.
    """
    job = db.get(Job, job_id)
    if job is None or job.tenant_id != tenant_id or job.removed_at is not None:
        raise NotFound(f"there is no job {job_id}")
    return job


@dataclass(frozen=True)
class JobFilter:
    """Which jobs a list shows: those for which every value that is given fits.

    `metadata` is notes that a job has, among others; without any, a job that has none. `text` is a
    part of the name. `model`, `method` and `dataset` are of the recipe of a training; a dataset is
    meant as the recipe names it.
    """

    kinds: Sequence[str] = ()
    statuses: Sequence[JobStatus] = ()
    name: str | None = None
    metadata: Mapping[str, str] | None = None
    text: str = ""
    created_by: str | None = None
    model: str | None = None
    method: str | None = None
    dataset: str | None = None


def list_jobs(
    services: Services,
    tenant_id: str,
    *,
    matching: JobFilter = JobFilter(),
    after: str | None = None,
    limit: int = 20,
) -> tuple[list[JobView], bool]:
    """A page of jobs, newest first, and whether there are more; `after` is the last id seen.

    Raises:
        NotFound: there is no job `after`.
    """
    with services.database.reading() as db:
        jobs, has_more = find_jobs(db, tenant_id, matching=matching, after=after, limit=limit)
        return view_jobs(services, db, jobs), has_more


def find_jobs(
    db: Session, tenant_id: str, *, matching: JobFilter, after: str | None, limit: int
) -> tuple[Sequence[Job], bool]:
    """The rows of a page of jobs, newest first, and whether there are more.

    Raises:
        NotFound: there is no job `after`.
    """
    wanted = select(Job).where(Job.tenant_id == tenant_id, Job.removed_at.is_(None))
    if matching.kinds:
        wanted = wanted.where(Job.kind.in_(matching.kinds))
    if matching.statuses:
        wanted = wanted.where(Job.status.in_(matching.statuses))
    if matching.name is not None:
        wanted = wanted.where(Job.name == matching.name)
    if matching.text:
        wanted = wanted.where(Job.name.icontains(matching.text, autoescape=True))
    if matching.created_by is not None:
        wanted = wanted.where(Job.created_by == matching.created_by)
    wanted = wanted.where(*_of_recipe(matching))
    if matching.metadata is not None and not matching.metadata:
        wanted = wanted.where(Job.details["metadata"].as_string() == "{}")
    for key, value in (matching.metadata or {}).items():
        wanted = wanted.where(Job.details["metadata"][key].as_string() == value)
    last = find_job(db, tenant_id, after) if after is not None else None
    return read_page(db, wanted, by=(Job.created_at, Job.id), after=last, limit=limit)


def _of_recipe(matching: JobFilter) -> Iterator[ColumnElement[bool]]:
    """What a filter asks of a recipe: of the one that was sent, or that an extension came to."""
    recipes = (Job.spec["request"]["recipe"], Job.spec["extended_recipe"])
    if matching.model is not None:
        yield or_(*(recipe["model"].as_string() == matching.model for recipe in recipes))
    if matching.method is not None:
        yield or_(*(recipe["method"]["kind"].as_string() == matching.method for recipe in recipes))
    if matching.dataset is not None:
        # The list is looked at as JSON text: PostgreSQL keeps its spaces, SQLite takes them out.
        name = json.dumps(matching.dataset)
        trains = [cast(recipe["data"]["train"], String) for recipe in recipes]
        entries = [f'"dataset":{space}{name}' for space in ("", " ")]
        yield or_(*(train.contains(each, autoescape=True) for train in trains for each in entries))


# --- steering --------------------------------------------------------------------------------


def pause_job(services: Services, tenant_id: str, job_id: str) -> JobView:
    """Save a checkpoint and free the machine; a waiting job stops waiting.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it is paused or has ended.
    """
    return _steer(services, tenant_id, job_id, requests.pause, "paused")


def cancel_job(services: Services, tenant_id: str, job_id: str) -> JobView:
    """End a job for good; its checkpoints stay.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it has ended.
    """
    return _steer(services, tenant_id, job_id, requests.cancel, "cancelled")


def resume_job(services: Services, tenant_id: str, job_id: str) -> JobView:
    """Queue a paused, failed or cancelled job again; it goes on to the same bits.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: it is none of these.
    """
    return _steer(services, tenant_id, job_id, _queue_again, "queued again")


def _queue_again(db: Session, job_id: str, *, now: datetime) -> Job | None:
    """The job, and what it needs: it may have failed because that did."""
    needed = select(JobNeed.needed_id).where(JobNeed.job_id == job_id)
    for needed_id in db.scalars(needed).all():
        requests.queue_again(db, needed_id, message="needed again", now=now)
    return requests.queue_again(db, job_id, message="queued again", now=now)


def _steer(services: Services, tenant_id: str, job_id: str, act: Any, becomes: str) -> JobView:
    with services.database.transaction() as db:
        job = find_job(db, tenant_id, job_id)
        if act(db, job.id, now=services.clock()) is None:
            raise Conflict(
                f"job {job.id} is {job.status}, so it cannot be {becomes}",
                hint="a finished run can be extended" if job.status in TERMINAL else "wait for it",
            )
        failpoint("steer.before_commit")
        return view_jobs(services, db, [job])[0]


def move_job(
    services: Services,
    tenant_id: str,
    job_id: str,
    *,
    before: str | None = None,
    priority: int | None = None,
) -> JobView:
    """Give a waiting job another place: directly before another one, or another priority.

    Raises:
        NotFound: the tenant has no such jobs.
        Conflict: one of them does not wait.
    """
    with services.database.transaction() as db:
        job = find_job(db, tenant_id, job_id)
        other = find_job(db, tenant_id, before) if before is not None else None
        for each in (job, other):
            if each is not None and each.status != "queued":
                raise Conflict(f"job {each.id} is {each.status}; only waiting jobs have a place")
        if other is job:
            raise Conflict("a job cannot come before itself")
        if priority is not None:
            job.priority = priority
        if other is not None:
            requests.place_before(db, job, other)
        db.flush()
        return view_jobs(services, db, [job])[0]
