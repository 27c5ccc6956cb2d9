"""A job's life: which status may follow which, and the one statement that changes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, Select, func, select, update
from sqlalchemy.orm import Session

from tunesmith.store.tables import (
    ACTIVE,
    Channel,
    Job,
    JobEvent,
    JobNeed,
    JobStatus,
    OutboxMessage,
    Subscription,
)

# From which statuses a job may come into each. Anything else changes no row.
COMES_FROM: Mapping[JobStatus, tuple[JobStatus, ...]] = {
    "queued": (*ACTIVE, "paused", "failed", "cancelled"),
    "starting": ("queued",),
    "running": ("starting",),
    "pausing": ("starting", "running"),
    "paused": ("queued", *ACTIVE),
    "succeeded": ACTIVE,
    "failed": ("queued", "paused", *ACTIVE),
    "cancelled": ("queued", "paused", *ACTIVE),
}
NOTIFIED: tuple[JobStatus, ...] = ("running", "paused", "succeeded", "failed", "cancelled")

NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Lease:
    """A job in a worker's hands."""

    job_id: str
    token: int


def move(
    db: Session,
    job_id: str,
    *,
    to: JobStatus,
    now: datetime,
    message: str = "",
    lease: Lease | None = None,
    seen_beat: int | None = None,
    only_from: tuple[JobStatus, ...] | None = None,
    values: Mapping[str, Any] = NOTHING,
) -> Job | None:
    """Change a job's status by compare-and-set; None if it changed no row.

    Args:
        db: of the transaction.
        job_id: of the job.
        to: the new status.
        now: the time of the event.
        message: what the event says.
        lease: only if the job is still in these hands.
        seen_beat: only if its worker did not beat since.
        only_from: fewer statuses than `COMES_FROM` allows.
        values: further columns to set.
    """
    statement = update(Job).where(Job.id == job_id, Job.status.in_(only_from or COMES_FROM[to]))
    if lease is not None:
        statement = statement.where(Job.token == lease.token)
    if seen_beat is not None:
        statement = statement.where(Job.beat == seen_beat)
    result = cast("CursorResult[Any]", db.execute(statement.values(status=to, **values)))
    if result.rowcount == 0:
        return None
    job = db.get_one(Job, job_id, populate_existing=True)
    record(db, job, message=message, now=now)
    if to in ("failed", "cancelled"):
        _fail_dependents(db, job, now=now)
    return job


def record(db: Session, job: Job, *, message: str, now: datetime) -> None:
    """Write the event of `job`'s present status, and tell those who asked to hear of it."""
    last = select(func.coalesce(func.max(JobEvent.seq), 0)).where(JobEvent.job_id == job.id)
    seq = db.scalars(last).one() + 1
    db.add(JobEvent(job_id=job.id, seq=seq, time=now, status=job.status, message=message))
    db.flush()
    if job.status not in NOTIFIED:
        return
    event = {
        "job_id": job.id,
        "seq": seq,
        "kind": job.kind,
        "name": job.name,
        "status": job.status,
        "message": message,
        "hint": (job.error or {}).get("hint", "") if job.status == "failed" else "",
        "time": now.isoformat(timespec="milliseconds"),
    }
    channels = (
        select(Channel.id)
        .join(Subscription, Subscription.channel_id == Channel.id)
        .where(Subscription.job_id == job.id)
    )
    tell(db, channels, event, tenant_id=job.tenant_id, now=now)


def tell(
    db: Session,
    channels: Select[str],
    event: dict[str, Any],
    *,
    tenant_id: str,
    now: datetime,
) -> None:
    """Put an event of a job or deployment into the outbox, once for each of `channels`."""
    # Locked, so that a channel that is being deleted is not among them.
    for channel_id in db.scalars(channels.with_for_update(read=True, of=Channel)).all():
        db.add(
            OutboxMessage(
                id=f"{event['job_id']}-{event['seq']}-{channel_id}",
                tenant_id=tenant_id,
                channel_id=channel_id,
                event=event,
                created_at=now,
                not_before=now,
            )
        )


def _fail_dependents(db: Session, job: Job, *, now: datetime) -> None:
    """Jobs that need what will not come fail as well, and those that need them."""
    cause = job.error or {"reason": "cancelled", "message": "it was cancelled", "hint": ""}
    error = {**cause, "message": f"{job.kind} {job.name} did not succeed: {cause['message']}"}
    needing = select(JobNeed.job_id).where(JobNeed.needed_id == job.id)
    for job_id in db.scalars(needing).all():
        move(
            db,
            job_id,
            to="failed",
            now=now,
            message=error["message"],
            only_from=("queued", "paused"),
            values={"error": error, "finished_at": now},
        )
