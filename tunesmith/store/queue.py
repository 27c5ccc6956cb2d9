"""The queue's promises, each an SQL statement that checks what it relies on.

A job is worked on at least once and its result is published exactly once:

- `claims.claim` gives a job to one worker, under a token that grows with every change of hands.
- Whatever the worker writes names its token; after the job changed hands that changes no row, and
  `LeaseLost` tells the worker to drop the work.
- The worker lets `beat` grow while it lives. Who watches (`store/leases.py`) compares beats by its
  own monotonic clock, so wall clocks may jump, differ or stand still. A job whose beat stands still
  for a lease's time goes back into the queue, and the next worker goes on from its last checkpoint.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import case, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import LeaseLost
from tunesmith.failpoints import failpoint
from tunesmith.store.tables import ACTIVE, TERMINAL, Attempt, Job, JobStatus, Wish
from tunesmith.store.transitions import Lease, move

# In a row, without a step of progress between: then the job itself is the likely cause.
MAX_LOSSES = 20  # of workers
MAX_CRASHES = 3  # of the job's own process

_IN_OTHER_HANDS = "job {} is in other hands"


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
            losses=case((Job.furthest_step < step, 0), else_=Job.losses),
            crashes=case((Job.furthest_step < step, 0), else_=Job.crashes),
            furthest_step=case((Job.furthest_step < step, step), else_=Job.furthest_step),
            step=step,
            total_steps=total_steps,
        )
        .returning(Job.wish)
    )
    row = db.execute(statement).first()
    if row is None:
        raise LeaseLost(_IN_OTHER_HANDS.format(lease.job_id))
    _note_time(db, lease, seconds=seconds)
    failpoint("queue.before_beat_commit")
    return row[0]


def start(db: Session, lease: Lease, *, now: datetime) -> Wish | None:
    """The job's process is about to start; what a person wished of the job meanwhile.

    Raises:
        LeaseLost: the job changed hands; nothing was written.
    """
    job = _held(db, lease)
    move(db, lease.job_id, to="running", now=now, lease=lease)
    failpoint("queue.before_start_commit")
    return job.wish


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
    """The worker lets go of a job that has `succeeded`, `failed` or is `cancelled`.

    Raises:
        LeaseLost: the job changed hands; nothing was written.
    """
    values: dict[str, Any] = {"error": error, "outcome": outcome, **_LET_GO}
    if to in TERMINAL:
        values["finished_at"] = now
    job = move(db, lease.job_id, to=to, now=now, message=message, lease=lease, values=values)
    if job is None:
        raise LeaseLost(_IN_OTHER_HANDS.format(lease.job_id))
    _note_time(db, lease, seconds=seconds, outcome=to)
    return job


def give_back(db: Session, lease: Lease, *, seconds: float, now: datetime) -> Job:
    """The worker lets go of a job that can go on from its last checkpoint.

    It goes back into the queue, or where a person wished it, be it since the last beat.

    Raises:
        LeaseLost: the job changed hands; nothing was written.
    """
    to = _wished(_held(db, lease)) or "queued"
    return finish(db, lease, to=to, seconds=seconds, now=now)


def crashed(
    db: Session, lease: Lease, *, error: dict[str, Any], seconds: float, now: datetime
) -> Job:
    """The job's process was killed: it goes on from its last checkpoint, unless that happens again.

    Raises:
        LeaseLost: the job changed hands; nothing was written.
    """
    job = _held(db, lease)
    job.crashes += 1
    to = _wished(job) or ("queued" if job.crashes < MAX_CRASHES else "failed")
    return finish(
        db,
        lease,
        to=to,
        seconds=seconds,
        now=now,
        message=error["message"],
        error=error if to == "failed" else None,
    )


def _held(db: Session, lease: Lease) -> Job:
    """The row of a job in these hands, which nobody else changes until the transaction ends.

    Raises:
        LeaseLost: it is in others.
    """
    mine = select(Job).where(
        Job.id == lease.job_id, Job.token == lease.token, Job.status.in_(ACTIVE)
    )
    job = db.scalars(
        mine.with_for_update(), execution_options={"populate_existing": True}
    ).one_or_none()
    if job is None:
        raise LeaseLost(_IN_OTHER_HANDS.format(lease.job_id))
    return job


def _wished(job: Job) -> JobStatus | None:
    """Where a person wants a job to be that is let go of."""
    return None if job.wish is None else _WISHED[job.wish]


_WISHED: Mapping[Wish, JobStatus] = {"pause": "paused", "cancel": "cancelled"}

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
    try:
        job = _held(db, lease)
    except LeaseLost:
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
    failpoint("queue.before_take_back_commit")
    return moved


def _after_loss(job: Job) -> tuple[JobStatus, dict[str, Any] | None]:
    """Where a job goes that lost its worker, and the error if it failed."""
    if job.losses + 1 < MAX_LOSSES or job.wish is not None:
        return _wished(job) or "queued", None
    return "failed", {
        "reason": "lost_worker",
        "message": f"{MAX_LOSSES} workers in a row were lost while on this job",
        "hint": "see its log; too little memory is the usual cause. Then retry it",
    }
