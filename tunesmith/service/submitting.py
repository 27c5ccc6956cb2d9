"""Jobs into the queue: once, with what they stand on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, QuotaExceeded
from tunesmith.failpoints import failpoint
from tunesmith.schema import digest
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import JobOptions, JobRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.jobs import get_job
from tunesmith.service.kinds import KINDS
from tunesmith.service.kinds.kind import Needs
from tunesmith.service.services import Services
from tunesmith.service.subscriptions import find_channel
from tunesmith.store import requests
from tunesmith.store.names import point_name
from tunesmith.store.tables import Channel, Job, JobNeed, Subscription, Tenant, new_id
from tunesmith.store.transitions import record

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
        ModelRejected: the model is a sentence encoder.
        RecipeInvalid: a mix mixes nothing in.
        AccessDenied: a recipe names a tracker's address.
    """
    # Told apart from the keys under which needed jobs are shared.
    key = None if idempotency_key is None else f"own:{idempotency_key}"
    with services.database.reading() as db:
        earlier = _with_key(db, actor.tenant_id, key)
    if earlier is not None:  # before looking anything up: what it named may be gone by now
        return get_job(services, actor.tenant_id, _checked(earlier, request, options).id)
    needs = KINDS[request.kind].find_needs(services, actor.tenant_id, request)
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
    return f"shared:{request.kind}:{digest(request.model_dump(mode='json'))}"


def _insert(
    services: Services, db: Session, tenant_id: str, wanted: _Wanted, *, now: datetime
) -> Job:
    request, options = wanted.request, wanted.options
    kind = KINDS[request.kind]
    is_run = kind.stage == "train"
    recipe = wanted.needs.recipe
    rank = select(func.coalesce(func.max(Job.rank), 0) + 1).where(Job.tenant_id == tenant_id)
    job = Job(
        id=new_id(kind.id_prefix),
        tenant_id=tenant_id,
        kind=kind.stage,
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
        num_cores=options.resources.cores or (None if is_run else 1),
        memory_bytes=options.resources.memory_bytes,
        num_gpus=options.resources.gpus,
        idempotency_key=wanted.key,
        request_digest=_digest(request, options),
        created_by=wanted.created_by,
        created_at=now,
    )
    db.add(job)
    db.flush()
    if is_run:
        point_name(db, "run", job.name, job.id, tenant_id=tenant_id, now=now)
    return job


def _subscribe(db: Session, job: Job, named: Sequence[str]) -> None:
    """Let the channels hear of `job` that its request named, and of a training who hears of all."""
    all_ears = select(Channel.id).where(Channel.tenant_id == job.tenant_id, Channel.hears_all)
    others = db.scalars(all_ears) if job.kind == "train" else ()
    for channel_id in dict.fromkeys((*named, *others)):
        find_channel(db, job.tenant_id, channel_id)
        db.add(Subscription(job_id=job.id, channel_id=channel_id))
