"""What people ask of jobs, as statements that change a row only where the job's state allows it."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from tunesmith.store.claims import IN_ORDER
from tunesmith.store.tables import ACTIVE, Job, JobNeed, JobStatus, Wish
from tunesmith.store.transitions import move

_WAITING: tuple[JobStatus, ...] = ("queued", "paused")
_RESTING: tuple[JobStatus, ...] = ("paused", "failed", "cancelled")


def pause(db: Session, job_id: str, *, now: datetime) -> Job | None:
    """Pause a job: at once if it waits, else after its worker's next checkpoint; None if ended."""
    return move(db, job_id, to="paused", now=now, only_from=("queued",)) or move(
        db, job_id, to="pausing", now=now, values={"wish": "pause"}
    )


def cancel(db: Session, job_id: str, *, now: datetime) -> Job | None:
    """Cancel a job: at once if it waits, else as soon as its worker hears of it; None if ended."""
    ended = move(
        db, job_id, to="cancelled", now=now, only_from=_WAITING, values={"finished_at": now}
    )
    return ended or _wish(db, job_id, "cancel")


def _wish(db: Session, job_id: str, what: Wish) -> Job | None:
    held = update(Job).where(Job.id == job_id, Job.status.in_(ACTIVE)).values(wish=what)
    return db.scalars(
        held.returning(Job), execution_options={"populate_existing": True}
    ).one_or_none()


def queue_again(db: Session, job_id: str, *, message: str, now: datetime) -> Job | None:
    """Queue a paused, failed or cancelled job again; None if it is none of these.

    What it needs is queued again as well where that rests, or it would wait for ever.
    """
    fresh = {"error": None, "finished_at": None, "losses": 0, "crashes": 0, "wish": None}
    needs = select(JobNeed.needed_id).where(JobNeed.job_id == job_id)
    # Held first, in the order in which a failure goes from a job to those that need it.
    needed = db.scalars(select(Job).where(Job.id.in_(needs)).with_for_update()).all()
    job = move(db, job_id, to="queued", now=now, message=message, only_from=_RESTING, values=fresh)
    if job is not None:
        for each in needed:
            queue_again(db, each.id, message="needed again", now=now)
    return job


def place_before(db: Session, job: Job, other: Job) -> None:
    """Let `job` come directly before `other`, with its priority. Both wait, of one tenant."""
    waiting = db.scalars(
        select(Job)
        .where(Job.tenant_id == job.tenant_id, Job.status == "queued", Job.id != job.id)
        .order_by(*IN_ORDER)
    ).all()
    job.priority = other.priority
    place = next(index for index, each in enumerate(waiting) if each.id == other.id)
    for rank, each in enumerate([*waiting[:place], job, *waiting[place:]], start=1):
        each.rank = rank
