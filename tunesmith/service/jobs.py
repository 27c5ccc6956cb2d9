"""Jobs: into the queue, through it, and what became of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, NotFound, QuotaExceeded
from tunesmith.failpoints import failpoint
from tunesmith.schema import digest
from tunesmith.service.access import Actor
from tunesmith.service.job_needs import Needs, find_needs
from tunesmith.service.job_requests import ExtendRequest, JobOptions, JobRequest
from tunesmith.service.job_views import JobView, view_jobs
from tunesmith.service.services import Services
from tunesmith.store import requests
from tunesmith.store.names import point_name
from tunesmith.store.tables import (
    TERMINAL,
    Channel,
    Job,
    JobNeed,
    JobStatus,
    Subscription,
    Tenant,
    new_id,
)
from tunesmith.store.transitions import record

# How ids of jobs begin. A fine-tuning job's id is also that of its run.
_ID_PREFIX: Mapping[str, str] = {
    "train": "ftjob",
    "extend": "ftjob",
    "import": "import",
    "pull": "pull",
    "preflight": "preflight",
    "preview": "preview",
}
_DEFAULT_OPTIONS = JobOptions()


@dataclass(frozen=True)
class _Wanted:
    """A job to be queued, with what it waits for."""

    request: JobRequest
    options: JobOptions
    needs: Needs
    key: str | None
    created_by: str


def submit_job(
    services: Services,
    request: JobRequest,
    *,
    actor: Actor,
    options: JobOptions = _DEFAULT_OPTIONS,
    idempotency_key: str | None = None,
) -> JobView:
    """Queue `request`, durable on return.

    Asked again with the same `idempotency_key`, the same job is returned. Dataset versions are
    pinned now; an uploaded file that is no dataset yet and a base model that is not here yet become
    jobs of their own, which this one waits for.

    Raises:
        NotFound: a dataset, file, model, run or channel of that name does not exist.
        Conflict: the key was used for something else.
        QuotaExceeded: too many jobs of the tenant wait.
        ResumeRefused: the run to extend is not finished.
        DatasetRejected: an import names neither a file nor an address.
    """
    # Told apart from the keys under which needed jobs are shared.
    key = None if idempotency_key is None else f"own {idempotency_key}"
    with services.database.reading() as db:
        earlier = _with_key(db, actor.tenant_id, key)
    if earlier is not None:  # before looking anything up: what it named may be gone by now
        return get_job(services, actor.tenant_id, _checked(earlier, request, options).id)
    needs = find_needs(services, actor.tenant_id, request)
    wanted = _Wanted(request, options, needs, key, actor.email)
    try:
        job_id = _add_once(services, actor.tenant_id, wanted)
    except IntegrityError:  # the same key at the same time: the other was first
        job_id = _add_once(services, actor.tenant_id, wanted)
    failpoint("submit.after_commit")
    return get_job(services, actor.tenant_id, job_id)


def _add_once(services: Services, tenant_id: str, wanted: _Wanted) -> str:
    now = services.clock()
    with services.database.transaction() as db:
        existing = _with_key(db, tenant_id, wanted.key)
        if existing is not None:
            return _checked(existing, wanted.request, wanted.options).id
        _check_quota(services, db, tenant_id)
        needed = [
            _add_needed(services, db, tenant_id, name, request, wanted.created_by, now=now)
            for name, request in wanted.needs.first.items()
        ]
        job = _insert(services, db, tenant_id, wanted, now=now)
        db.add_all(JobNeed(job_id=job.id, needed_id=each) for each in needed)
        _subscribe(db, job, wanted.options.notify)
        record(db, job, message="", now=now)
        failpoint("submit.before_commit")
        return job.id


def _with_key(db: Session, tenant_id: str, key: str | None) -> Job | None:
    if key is None:
        return None
    # Held, so that a job that others are about to need cannot fail before they are written down.
    return db.scalars(
        select(Job).where(Job.tenant_id == tenant_id, Job.idempotency_key == key).with_for_update()
    ).one_or_none()


def _checked(existing: Job, request: JobRequest, options: JobOptions) -> Job:
    if existing.request_digest != _digest(request, options):
        raise Conflict(
            f"the idempotency key was used for another request, job {existing.id}",
            hint="use a new key for a new request",
        )
    return existing


def _digest(request: JobRequest, options: JobOptions) -> str:
    return digest([request.model_dump(mode="json"), options.model_dump(mode="json")])


def _check_quota(services: Services, db: Session, tenant_id: str) -> None:
    tenant = db.get_one(Tenant, tenant_id)
    allowed = services.config.max_queued if tenant.max_queued is None else tenant.max_queued
    waiting = select(func.count()).where(Job.tenant_id == tenant_id, Job.status == "queued")
    if db.scalars(waiting).one() >= allowed:
        raise QuotaExceeded(
            f"{allowed} jobs of this tenant wait already", hint="wait, or cancel some of them"
        )


def _add_needed(
    services: Services,
    db: Session,
    tenant_id: str,
    name: str,
    request: JobRequest,
    created_by: str,
    *,
    now: datetime,
) -> str:
    """The job that does what another one waits for; all who wait for the same share one."""
    wanted = _Wanted(request, _DEFAULT_OPTIONS, Needs(name), _shared_key(request), created_by)
    shared = _with_key(db, tenant_id, wanted.key)
    if shared is not None and shared.status == "succeeded":  # what it made is gone again
        shared.idempotency_key = None
        db.flush()
        shared = None
    if shared is None:
        shared = _insert(services, db, tenant_id, wanted, now=now)
        record(db, shared, message="", now=now)
    elif shared.status in ("failed", "cancelled", "paused"):
        requests.queue_again(db, shared.id, message="needed again", now=now)
    return shared.id


def _shared_key(request: JobRequest) -> str:
    return f"shared {request.kind} {digest(request.model_dump(mode='json'))}"


def _insert(
    services: Services, db: Session, tenant_id: str, wanted: _Wanted, *, now: datetime
) -> Job:
    request, options = wanted.request, wanted.options
    kind = "train" if isinstance(request, ExtendRequest) else request.kind
    recipe = wanted.needs.recipe
    rank = select(func.coalesce(func.max(Job.rank), 0) + 1).where(Job.tenant_id == tenant_id)
    job = Job(
        id=new_id(_ID_PREFIX[request.kind]),
        tenant_id=tenant_id,
        kind=kind,
        name=wanted.needs.name,
        spec={
            "request": request.model_dump(mode="json"),
            "pins": dict(wanted.needs.pins),
            "extended_recipe": recipe.model_dump(mode="json") if recipe is not None else None,
        },
        details={"metadata": options.metadata},
        status="queued",
        priority=options.priority,
        rank=db.scalars(rank).one(),
        pool=options.pool or services.config.pool,
        num_cores=options.resources.cores if kind == "train" else options.resources.cores or 1,
        memory_bytes=options.resources.memory_bytes,
        num_gpus=options.resources.gpus,
        idempotency_key=wanted.key,
        request_digest=_digest(request, options),
        created_by=wanted.created_by,
        created_at=now,
    )
    db.add(job)
    db.flush()
    if kind == "train":
        point_name(db, "run", job.name, job.id, tenant_id=tenant_id, now=now)
    return job


def _subscribe(db: Session, job: Job, channel_ids: Sequence[str]) -> None:
    for channel_id in dict.fromkeys(channel_ids):
        channel = db.get(Channel, channel_id)
        if channel is None or channel.tenant_id != job.tenant_id:
            raise NotFound(f"there is no channel {channel_id}")
        db.add(Subscription(job_id=job.id, channel_id=channel_id))


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

    `metadata` is notes that a job has, among others; without any, a job that has none.
    """

    kinds: Sequence[str] = ()
    statuses: Sequence[JobStatus] = ()
    name: str | None = None
    metadata: Mapping[str, str] | None = None


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
    if matching.metadata is not None and not matching.metadata:
        wanted = wanted.where(Job.details["metadata"].as_string() == "{}")
    for key, value in (matching.metadata or {}).items():
        wanted = wanted.where(Job.details["metadata"][key].as_string() == value)
    if after is not None:
        last = find_job(db, tenant_id, after)
        wanted = wanted.where(
            (Job.created_at < last.created_at)
            | ((Job.created_at == last.created_at) & (Job.id < last.id))
        )
    newest = wanted.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit + 1)
    jobs = db.scalars(newest).all()
    return jobs[:limit], len(jobs) > limit


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
