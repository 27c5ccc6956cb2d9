"""What happens to a run, in one order that a reader can come back to.

Two sources are read as one: the turns of the job's life (database) and what the engine says (the
run's event file). A position counts both, so a reader who names the last one seen misses nothing
and hears nothing twice, however often the line drops.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import select

from tunesmith.backends.protocol import LOG
from tunesmith.errors import RecipeInvalid
from tunesmith.events import read_events
from tunesmith.jobs.folder import EVENTS
from tunesmith.service.jobs import find_job
from tunesmith.service.paths import hide_paths
from tunesmith.service.preparation import job_folder
from tunesmith.service.services import Services
from tunesmith.store.tables import TERMINAL, JobEvent

Place = TypeVar("Place")

_NOT_TOLD = ("seq", "kind", "artifact")  # said otherwise, and where things lie on the server


@dataclass(frozen=True)
class Position:
    """How much of both sources a reader has seen; as text, `LIFE-ENGINE`."""

    life: int = 0
    engine: int = 0

    def __str__(self) -> str:
        return f"{self.life}-{self.engine}"

    @classmethod
    def parse(cls, text: str | None) -> "Position":
        """The position of a Last-Event-ID; the beginning if there is none.

        Raises:
            RecipeInvalid: it is not one of ours.
        """
        if not text:
            return cls()
        match = re.fullmatch(r"(\d{1,15})-(\d{1,15})", text)
        if match is None:
            raise RecipeInvalid(f"{text[:40]!r} is not a position", hint="send the last id seen")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class StreamEvent(Generic[Place]):
    """One thing that happened, and where a reader stands after it."""

    position: Place
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class News(Generic[Place]):
    """What followed a position, and whether nothing more can come."""

    events: list[StreamEvent[Place]]
    ended: bool


def read_news(
    services: Services, tenant_id: str, job_id: str, *, after: Position
) -> News[Position]:
    """Everything that happened to a job after `after`.

    Raises:
        NotFound: the tenant has no such job.
    """
    # The life first: once it shows the end, the engine has said its last word.
    with services.database.reading() as db:
        job = find_job(db, tenant_id, job_id)
        turns = db.scalars(
            select(JobEvent)
            .where(JobEvent.job_id == job_id, JobEvent.seq > after.life)
            .order_by(JobEvent.seq)
        ).all()
    said = read_events(job_folder(services, job) / EVENTS, after=after.engine)
    events = [
        replace(event, data=hide_paths(services, tenant_id, event.data))
        for event in _merged(turns, said, after)
    ]
    return News(events, ended=job.status in TERMINAL)


def _merged(
    turns: Sequence[JobEvent], said: Iterable[dict[str, Any]], position: Position
) -> Iterator[StreamEvent[Position]]:
    """Both sources by time, each in its own order even where a clock jumped."""
    lives = ((turn.time.isoformat(timespec="milliseconds"), turn) for turn in turns)
    words = ((str(event["time"]), event) for event in said)
    for time, entry in heapq.merge(lives, words, key=lambda timed: timed[0]):
        if isinstance(entry, JobEvent):
            position = Position(entry.seq, position.engine)
            data = {"time": time, "status": entry.status, "message": entry.message}
            yield StreamEvent(position, "status", data)
        else:
            position = Position(position.life, entry["seq"])
            data = {key: value for key, value in entry.items() if key not in _NOT_TOLD}
            yield StreamEvent(position, entry["kind"], data)


_MOST_BYTES = 1 << 20  # of a log, read at once


def read_log(services: Services, tenant_id: str, job_id: str, *, after: int) -> News[int]:
    """What a job's process printed from byte `after` on, whole lines; positions are offsets.

    Raises:
        NotFound: the tenant has no such job.
    """
    with services.database.reading() as db:
        job = find_job(db, tenant_id, job_id)
    chunk = _chunk(job_folder(services, job) / LOG, after)
    # A line that is not ended yet is waited for, unless it is the last, or endless.
    whole = chunk[: chunk.rfind(b"\n") + 1]
    if job.status in TERMINAL or len(chunk) == _MOST_BYTES:
        whole = whole or chunk
    if not whole:
        return News([], ended=job.status in TERMINAL)
    text = hide_paths(services, tenant_id, whole.decode("utf-8", errors="replace"))
    return News([StreamEvent(after + len(whole), "log", {"text": text})], ended=False)


def _chunk(path: Path, offset: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(_MOST_BYTES)
