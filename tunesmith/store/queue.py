"""The queue's promises, each an SQL statement that checks what it relies on.

A job is worked on at least once and its result is published exactly once:

- `claim` gives a job to one worker, under a token that grows with every change of hands.
- Whatever the worker writes names its token; after the job changed hands that changes no row, and
  `LeaseLost` tells the worker to drop the work.
- The worker lets `beat` grow while it lives. Who watches (`store/leases.py`) compares beats by its
  own monotonic clock, so wall clocks may jump, differ or stand still. A job whose beat stands still
  for a lease's time goes back into the queue, and the next worker goes on from its last checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, case, func, or_, select, text, update
from sqlalchemy.orm import Session, aliased

from tunesmith.errors import LeaseLost
from tunesmith.failpoints import failpoint
from tunesmith.store.tables import (
    ACTIVE,
    TERMINAL,
    Attempt,
    Job,
    JobNeed,
    JobStatus,
    Tenant,
    Wish,
)
from tunesmith.store.transitions import Lease, move

# In a row, without a step of progress between: then the job itself is the likely cause.
MAX_LOSSES = 20  # of workers
MAX_CRASHES = 3  # of the job's own process

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


# --- what a worker says of its job: every statement names the token --------------------------


def beat(db: Session, lease: Lease, *, step: int, total_steps: int, seconds: float) -> Wish | None:
    """Say that the worker lives and how far the job is; return what a person wishes of it.

    Raises:
        LeaseLost: the job changed hands.
    """
    statement = (
        update(Job)
        .where(Job.id == lease.job_id, Job.token == lease.token, Job.status.in_(ACTIVE))
        .values(
            beat=Job.beat + 1,
            losses=case((Job.step < step, 0), else_=Job.losses),
            crashes=case((Job.step < step, 0), else_=Job.crashes),
            step=step,
            total_steps=total_steps,
        )
        .returning(Job.wish)
    )
    row = db.execute(statement).first()
    if row is None:
        raise LeaseLost(f"job {lease.job_id} is in other hands")
    _note_time(db, lease, seconds=seconds)
    return row[0]


def start(db: Session, lease: Lease, *, now: datetime) -> None:
    """The job's process runs. A job that is to be paused meanwhile stays so."""
    move(db, lease.job_id, to="running", now=now, lease=lease)


def finish(
    db: Session,
    lease: Lease,
    *,
    to: JobStatus,
    seconds: float,
    now: datetime,
    message: str = "",
    error: dict[str, Any] | None = None,
    outcome: dict[str, Any] | None = None,
) -> Job:
    """The worker lets go of a job that is `paused`, `succeeded`, `failed`, `cancelled`.

    Or `queued` again: then it will go on from its last checkpoint.

    Raises:
        LeaseLost: the job changed hands; nothing was written.
    """
    values: dict[str, Any] = {"error": error, "outcome": outcome, **_LET_GO}
    if to in TERMINAL:
        values["finished_at"] = now
    job = move(db, lease.job_id, to=to, now=now, message=message, lease=lease, values=values)
    if job is None:
        raise LeaseLost(f"job {lease.job_id} is in other hands")
    _note_time(db, lease, seconds=seconds, outcome=to)
    return job


def crashed(
    db: Session, lease: Lease, *, error: dict[str, Any], seconds: float, now: datetime
) -> Job:
    """The job's process was killed: it goes on from its last checkpoint, unless that happens again.

    Raises:
        LeaseLost: the job changed hands; nothing was written.
    """
    job = db.get_one(Job, lease.job_id, populate_existing=True)
    again = job.crashes + 1 < MAX_CRASHES
    job = finish(
        db,
        lease,
        to="queued" if again else "failed",
        seconds=seconds,
        now=now,
        message=error["message"],
        error=None if again else error,
    )
    job.crashes += 1
    return job


_LET_GO = {"token": Job.token + 1, "wish": None, "worker_id": None}


def _note_time(db: Session, lease: Lease, *, seconds: float, outcome: str | None = None) -> None:
    attempt = update(Attempt).where(Attempt.job_id == lease.job_id, Attempt.token == lease.token)
    db.execute(attempt.values(seconds=seconds, outcome=outcome))


# --- what a watcher does ---------------------------------------------------------------------


def held_jobs(db: Session) -> list[tuple[Lease, int]]:
    """Every job in a worker's hands, with its beat."""
    rows = db.execute(select(Job.id, Job.token, Job.beat).where(Job.status.in_(ACTIVE)))
    return [(Lease(job_id, token), beat) for job_id, token, beat in rows]


def take_back(db: Session, lease: Lease, *, seen_beat: int, now: datetime) -> Job | None:
    """Take a job from a worker whose beat stood still; None if it has moved after all.

    It goes back into the queue, or where a person wished it, or fails if it loses worker after
    worker without a step of progress.
    """
    job = db.get(Job, lease.job_id, populate_existing=True)
    if job is None or job.token != lease.token:
        return None
    to, error = _after_loss(job)
    values: dict[str, Any] = {"losses": job.losses + 1, "error": error, **_LET_GO}
    if to in TERMINAL:
        values["finished_at"] = now
    moved = move(
        db,
        job.id,
        to=to,
        now=now,
        message=f"worker {job.worker_id} was lost",
        lease=lease,
        seen_beat=seen_beat,
        values=values,
    )
    if moved is not None:
        lost = update(Attempt).where(Attempt.job_id == lease.job_id, Attempt.token == lease.token)
        db.execute(lost.values(outcome="lost"))
    return moved


def _after_loss(job: Job) -> tuple[JobStatus, dict[str, Any] | None]:
    """Where a job goes that lost its worker, and the error if it failed."""
    if job.wish is not None:
        return ("paused" if job.wish == "pause" else "cancelled"), None
    if job.losses + 1 < MAX_LOSSES:
        return "queued", None
    return "failed", {
        "reason": "lost_worker",
        "message": f"{MAX_LOSSES} workers in a row were lost while on this job",
        "hint": "see its log; too little memory is the usual cause. Then retry it",
    }
