"""A training told to people, newest first: the turns of the job and what the engine says, in words.

The same two sources as in `streams.py`. There a program follows what comes; here somebody looks
back, a page at a time, and asks for what is older than the last line seen.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile, islice
from typing import Any, Literal, TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.events import read_events_backwards
from tunesmith.jobs.folder import EVENTS
from tunesmith.service.jobs import find_job
from tunesmith.service.paths import hide_paths
from tunesmith.service.preparation import job_folder
from tunesmith.service.registry import short_id
from tunesmith.service.services import Services
from tunesmith.service.training_metrics import step_metrics, validation_metrics
from tunesmith.store.tables import Job, JobEvent

Level: TypeAlias = Literal["info", "warn", "error"]
Event: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class HistoryEntry:
    """One thing that happened, in a sentence; with figures where something was measured."""

    id: str
    time: datetime
    level: Level
    message: str
    metrics: dict[str, float] | None = None


def list_history(
    services: Services, tenant_id: str, job_id: str, *, after: str | None, limit: int
) -> tuple[list[HistoryEntry], bool]:
    """A page of a job's history, newest first, and whether there is more; `after` is the last id.

    Raises:
        NotFound: the tenant has no such job, or nothing of that id happened to it.
    """
    with services.database.reading() as db:
        job = find_training(db, tenant_id, job_id)
        turns = db.scalars(
            select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.seq.desc())
        ).all()
    said = read_events_backwards(job_folder(services, job) / EVENTS)
    entries: Iterator[HistoryEntry] = heapq.merge(
        (_of_turn(turn) for turn in turns),
        _of_engine(job_id, said),
        key=lambda entry: entry.time,
        reverse=True,
    )
    if after is not None:
        entries = dropwhile(lambda entry: entry.id != after, entries)
        if next(entries, None) is None:
            raise NotFound(f"job {job_id} has no event {after}")
    page = [_without_paths(services, tenant_id, entry) for entry in islice(entries, limit + 1)]
    return page[:limit], len(page) > limit


def find_training(db: Session, tenant_id: str, job_id: str) -> Job:
    """The row of a tenant's training.

    Raises:
        NotFound: the tenant has no such job, or it is none.
    """
    job = find_job(db, tenant_id, job_id)
    if job.kind != "train":
        raise NotFound(f"there is no fine-tuning job {job_id}")
    return job


def _without_paths(services: Services, tenant_id: str, entry: HistoryEntry) -> HistoryEntry:
    message = hide_paths(services, tenant_id, entry.message)
    return HistoryEntry(entry.id, entry.time, entry.level, message, entry.metrics)


_TURNS: Mapping[str, str] = {
    "queued": "Waiting for a worker",
    "starting": "Taken by a worker",
    "running": "Fine-tuning job started",
    "pausing": "Pausing after the next checkpoint",
    "paused": "Fine-tuning job paused",
    "succeeded": "The job has successfully completed",
    "failed": "The job failed",
    "cancelled": "The job was cancelled",
}


def _of_turn(turn: JobEvent) -> HistoryEntry:
    text = f"Created fine-tuning job: {turn.job_id}" if turn.seq == 1 else _TURNS[turn.status]
    # Which worker took it is nothing that a tenant has to know.
    shows_why = turn.message and turn.status in ("queued", "failed")
    return HistoryEntry(
        id=f"ftevent-{short_id(turn.job_id)}-t{turn.seq}",
        time=turn.time,
        level="error" if turn.status == "failed" else "info",
        message=f"{text}: {turn.message}" if shows_why else text,
    )


def _of_engine(job_id: str, said: Iterable[Event]) -> Iterator[HistoryEntry]:
    for event in said:
        tell = _TOLD.get(event["kind"])
        if tell is None:
            continue
        level, message, metrics = tell(event)
        yield HistoryEntry(
            id=f"ftevent-{short_id(job_id)}-e{event['seq']}",
            time=datetime.fromisoformat(event["time"]),
            level=level,
            message=message,
            metrics=metrics,
        )


Told: TypeAlias = tuple[Level, str, dict[str, float] | None]


def _phase(event: Event) -> Told:
    return "info", f"{event['phase']} {event['detail']}".strip().capitalize(), None


def _started(event: Event) -> Told:
    done = f", going on after step {event['from_step']}" if event["from_step"] else ""
    return "info", f"Training of {event['total_steps']} steps{done}", None


def _step(event: Event) -> Told:
    message = f"Step {event['step']}: training loss={event['loss']:.4f}"
    return "info", message, step_metrics(event)


def _evaluated(event: Event) -> Told:
    message = f"Step {event['step']}: validation loss={event['loss']:.4f}"
    return "info", message, validation_metrics(event)


def _sampled(event: Event) -> Told:
    return "info", f"Step {event['step']}: {event['prompt']} -> {event['answer']}", None


def _checkpoint(event: Event) -> Told:
    return "info", f"Checkpoint created at step {event['step']}", None


def _warning(event: Event) -> Told:
    return "warn", event["message"], None


def _failed(event: Event) -> Told:
    return "error", f"{event['message']} {event['hint']}".strip(), None


# What is not here is of no interest afterwards, such as how far a phase was.
_TOLD: Mapping[str, Callable[[Event], Told]] = {
    "phase": _phase,
    "started": _started,
    "step": _step,
    "evaluated": _evaluated,
    "sampled": _sampled,
    "checkpoint": _checkpoint,
    "warning": _warning,
    "failed": _failed,
}
