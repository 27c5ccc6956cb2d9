"""Jobs as lists and pages show them: place in the queue, why one waits, what one cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tunesmith.service.paths import hide_paths
from tunesmith.service.services import Services
from tunesmith.store.claims import IN_ORDER
from tunesmith.store.tables import (
    ACTIVE,
    Attempt,
    Job,
    JobNeed,
    JobStatus,
    Pool,
    Tenant,
    Wish,
    Worker,
)


@dataclass(frozen=True)
class Cost:
    """What a job took so far, over all attempts. `amount` is None where the pool has no price."""

    seconds: float
    core_hours: float
    gpu_hours: float
    amount: float | None
    currency: str


@dataclass(frozen=True)
class JobView:
    """A job. `position` counts from 1 among the tenant's waiting jobs; `waits_for` says why."""

    id: str
    kind: str
    name: str
    status: JobStatus
    wish: Wish | None
    priority: int
    position: int | None
    waits_for: str
    step: int
    total_steps: int
    pool: str
    cores: int | None
    memory_bytes: int | None
    gpus: int
    metadata: dict[str, str]
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cost: Cost
    error: dict[str, Any] | None
    value: Any


def view_jobs(services: Services, db: Session, jobs: Sequence[Job]) -> list[JobView]:
    """Views of jobs of one tenant, in a handful of queries however many they are."""
    waiting = [job for job in jobs if job.status == "queued"]
    places = _places(db, waiting[0].tenant_id) if waiting else {}
    costs = _costs(db, [job.id for job in jobs])
    reasons = _reasons(db, waiting, places)
    return [
        JobView(
            id=job.id,
            kind=job.kind,
            name=job.name,
            status=job.status,
            wish=job.wish,
            priority=job.priority,
            position=places.get(job.id),
            waits_for=reasons.get(job.id, ""),
            step=job.step,
            total_steps=job.total_steps,
            pool=job.pool,
            cores=job.num_cores,
            memory_bytes=job.memory_bytes,
            gpus=job.num_gpus,
            metadata=job.details.get("metadata", {}),
            created_by=job.created_by,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            cost=costs.get(job.id, _NO_COST),
            error=hide_paths(services, job.tenant_id, job.error),
            value=hide_paths(services, job.tenant_id, (job.outcome or {}).get("value")),
        )
        for job in jobs
    ]


def list_queue(
    services: Services, tenant_id: str, *, most_waiting: int = 1000
) -> tuple[list[JobView], bool]:
    """The tenant's jobs that are at work, then the first of those that wait; whether more wait."""
    mine = select(Job).where(Job.tenant_id == tenant_id)
    with services.database.reading() as db:
        at_work = db.scalars(mine.where(Job.status.in_(ACTIVE)).order_by(Job.started_at, Job.id))
        queued = mine.where(Job.status == "queued").order_by(*IN_ORDER).limit(most_waiting + 1)
        waiting = db.scalars(queued).all()
        views = view_jobs(services, db, [*at_work, *waiting[:most_waiting]])
        return views, len(waiting) > most_waiting


def _places(db: Session, tenant_id: str) -> dict[str, int]:
    waiting = select(Job.id).where(Job.tenant_id == tenant_id, Job.status == "queued")
    return {id: place for place, id in enumerate(db.scalars(waiting.order_by(*IN_ORDER)), start=1)}


_NO_COST = Cost(0.0, 0.0, 0.0, None, "")


def _costs(db: Session, job_ids: Sequence[str]) -> dict[str, Cost]:
    spent = (
        select(
            Attempt.job_id,
            func.sum(Attempt.seconds),
            func.sum(Attempt.seconds * Attempt.num_cores) / 3600,
            func.sum(Attempt.seconds * Attempt.num_gpus) / 3600,
            func.max(Attempt.pool),
        )
        .where(Attempt.job_id.in_(job_ids))
        .group_by(Attempt.job_id)
    )
    price = price_attempts(db)
    return {
        job_id: price(pool, seconds, core_hours, gpu_hours)
        for job_id, seconds, core_hours, gpu_hours, pool in db.execute(spent)
    }


def price_attempts(db: Session) -> Callable[[str, float, float, float], Cost]:
    """A function of pool, seconds, core hours and GPU hours that gives what they cost."""
    pools = {pool.name: pool for pool in db.scalars(select(Pool))}

    def cost(pool_name: str, seconds: float, core_hours: float, gpu_hours: float) -> Cost:
        pool = pools.get(pool_name)
        if pool is None:
            return Cost(seconds, core_hours, gpu_hours, None, "")
        amount = core_hours * pool.price_per_core_hour + gpu_hours * pool.price_per_gpu_hour
        return Cost(seconds, core_hours, gpu_hours, amount, pool.currency)

    return cost


def _reasons(db: Session, waiting: Sequence[Job], places: dict[str, int]) -> dict[str, str]:
    if not waiting:
        return {}
    tenant = db.get_one(Tenant, waiting[0].tenant_id)
    active = select(func.count()).where(Job.tenant_id == tenant.id, Job.status.in_(ACTIVE))
    num_active = db.scalars(active).one()
    workers = db.scalars(select(Worker)).all()
    unmet = _unmet(db, [job.id for job in waiting])
    quota = tenant.max_running
    full = (
        f"the tenant has {num_active} of {quota} jobs at work"
        if quota is not None and num_active >= quota
        else ""
    )
    return {
        job.id: unmet.get(job.id) or _no_worker(job, workers) or full or _ahead(places[job.id])
        for job in waiting
    }


def _unmet(db: Session, job_ids: Sequence[str]) -> dict[str, str]:
    needs = (
        select(JobNeed.job_id, Job)
        .join(Job, Job.id == JobNeed.needed_id)
        .where(JobNeed.job_id.in_(job_ids), Job.status != "succeeded")
    )
    return {
        job_id: f"{needed.kind} of {needed.name} ({needed.id}, {needed.status})"
        for job_id, needed in db.execute(needs)
    }


def _no_worker(job: Job, workers: Sequence[Worker]) -> str:
    pool = [worker for worker in workers if worker.pool == job.pool]
    if not pool:
        return f"no worker of pool {job.pool} has come yet"
    fits = any(
        (job.num_cores or 1) <= worker.num_cores
        and (job.memory_bytes or 0) <= worker.memory_bytes
        and job.num_gpus <= worker.num_gpus
        for worker in pool
    )
    if fits:
        return ""
    wants = (
        f"{job.num_cores or 'all'} cores, {job.memory_bytes or 'any'} bytes, {job.num_gpus} GPUs"
    )
    return f"no worker of pool {job.pool} is large enough for {wants}"


def _ahead(place: int) -> str:
    return "a free worker" if place == 1 else f"{place - 1} jobs that come first"
