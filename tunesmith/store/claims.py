"""Which job a worker gets next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ScalarSelect, func, or_, select, text
from sqlalchemy.orm import Session, aliased

from tunesmith.failpoints import failpoint
from tunesmith.store.tables import ACTIVE, Attempt, Job, JobNeed, Tenant
from tunesmith.store.transitions import move

_CLAIM_LOCK = 7246002

IN_ORDER = (Job.priority.desc(), Job.rank, Job.created_at, Job.id)


@dataclass(frozen=True)
class Room:
    """Cores, bytes of memory and GPUs."""

    num_cores: int
    memory_bytes: int
    num_gpus: int

    def needed_by(self, job: Job) -> "Room":
        """What `job` takes of a worker that is this large."""
        return Room(
            self.num_cores if job.num_cores is None else job.num_cores,
            self.memory_bytes if job.memory_bytes is None else job.memory_bytes,
            job.num_gpus,
        )

    def holds(self, other: "Room") -> bool:
        """Whether `other` fits in."""
        return (
            other.num_cores <= self.num_cores
            and other.memory_bytes <= self.memory_bytes
            and other.num_gpus <= self.num_gpus
        )

    def __sub__(self, other: "Room") -> "Room":
        return Room(
            self.num_cores - other.num_cores,
            self.memory_bytes - other.memory_bytes,
            self.num_gpus - other.num_gpus,
        )


def claim(
    db: Session, *, worker_id: str, pool: str, size: Room, free: Room, now: datetime
) -> Job | None:
    """Take the next job for a worker of `size` with `free` room; None if there is none.

    Tenants take turns: first who has the fewest jobs at work, among equals who was served longest
    ago. Within a tenant the order of the queue counts. The job in turn waits for its room, nobody
    overtakes it on this worker, so large jobs do not starve.
    """
    if db.get_bind().dialect.name == "postgresql":  # on SQLite every transaction waits its turn
        db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _CLAIM_LOCK})
    for tenant in _tenants_in_turn(db):
        job = _next_job(db, tenant.id, pool=pool, size=size)
        if job is None:
            continue
        if not free.holds(size.needed_by(job)):
            return None
        return _hand_over(db, job, tenant, worker_id=worker_id, pool=pool, size=size, now=now)
    return None


def _tenants_in_turn(db: Session) -> Sequence[Tenant]:
    num_active = _count_active()
    waiting = select(Job.id).where(Job.tenant_id == Tenant.id, Job.status == "queued").exists()
    return db.scalars(
        select(Tenant)
        .where(waiting, or_(Tenant.max_running.is_(None), num_active < Tenant.max_running))
        .order_by(num_active, Tenant.last_turn, Tenant.id)
    ).all()


def _count_active() -> ScalarSelect[int]:
    return (
        select(func.count())
        .where(Job.tenant_id == Tenant.id, Job.status.in_(ACTIVE))
        .correlate(Tenant)
        .scalar_subquery()
    )


def _next_job(db: Session, tenant_id: str, *, pool: str, size: Room) -> Job | None:
    needed = aliased(Job)
    unmet = (
        select(JobNeed.job_id)
        .join(needed, needed.id == JobNeed.needed_id)
        .where(JobNeed.job_id == Job.id, needed.status != "succeeded")
        .exists()
    )
    return db.scalars(
        select(Job)
        .where(
            Job.tenant_id == tenant_id,
            Job.status == "queued",
            Job.pool == pool,
            or_(Job.num_cores.is_(None), Job.num_cores <= size.num_cores),
            or_(Job.memory_bytes.is_(None), Job.memory_bytes <= size.memory_bytes),
            Job.num_gpus <= size.num_gpus,
            ~unmet,
        )
        .order_by(*IN_ORDER)
        .limit(1)
    ).first()


def _hand_over(
    db: Session, job: Job, tenant: Tenant, *, worker_id: str, pool: str, size: Room, now: datetime
) -> Job | None:
    values = {
        "token": Job.token + 1,
        "worker_id": worker_id,
        "wish": None,
        "error": None,
        "started_at": job.started_at or now,
    }
    taken = move(db, job.id, to="starting", now=now, message=f"taken by {worker_id}", values=values)
    if taken is None:
        return None
    tenant.last_turn = db.scalars(select(func.max(Tenant.last_turn))).one() + 1
    room = size.needed_by(taken)
    db.add(
        Attempt(
            job_id=taken.id,
            token=taken.token,
            tenant_id=taken.tenant_id,
            worker_id=worker_id,
            pool=pool,
            num_cores=room.num_cores,
            num_gpus=room.num_gpus,
        )
    )
    failpoint("queue.before_claim_commit")
    return taken
