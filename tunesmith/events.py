"""What a stage says while it works: an append-only JSON-lines file, the engine's only voice.

Every line is `{"seq", "time", "kind", ...}`. `seq` grows by one, so a reader that saw event n asks
for what follows n and misses nothing. After a crash the torn last line, if any, is cut off; steps
that a resume takes again are written again, and `current_history` keeps the last word.
"""

import errno
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from tunesmith.errors import Reason
from tunesmith.failpoints import failpoint


@dataclass(frozen=True, kw_only=True)
class Event:
    """Base of all events; a subclass's `kind` is what is written."""

    kind: ClassVar[str]
    durable: ClassVar[bool] = False  # whether the file is fsynced after it


@dataclass(frozen=True, kw_only=True)
class PhaseStarted(Event):
    """The stage enters a phase: loading, tokenizing, training, evaluating, saving."""

    kind = "phase"
    phase: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Progressed(Event):
    """So much of the phase is done; `total` is None where nobody knows it beforehand."""

    kind = "progress"
    done: int
    total: int | None
    unit: str


@dataclass(frozen=True, kw_only=True)
class RunStarted(Event):
    """Training begins or goes on: the planned steps, and the step it continues from (0 = fresh)."""

    kind = "started"
    durable = True
    total_steps: int
    from_step: int
    config_digest: str


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """One optimizer step: mean loss over its trained tokens in nats, and next-token accuracy."""

    kind = "step"
    step: int
    epoch: float
    loss: float
    accuracy: float
    learning_rate: float
    grad_norm: float
    num_tokens: int
    num_trained_tokens: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Evaluated(Event):
    """Validation after `step` steps: mean loss per trained token and next-token accuracy."""

    kind = "evaluated"
    step: int
    loss: float
    accuracy: float
    num_trained_tokens: int


@dataclass(frozen=True, kw_only=True)
class Sampled(Event):
    """What the model answers after `step` steps; `seconds` is the answer's share of the time."""

    kind = "sampled"
    step: int
    prompt: str
    answer: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class CheckpointSaved(Event):
    """A checkpoint is durable."""

    kind = "checkpoint"
    durable = True
    step: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Warned(Event):
    """Something the user should know; the work goes on."""

    kind = "warning"
    message: str


@dataclass(frozen=True, kw_only=True)
class RunPaused(Event):
    """Stopped on request; the checkpoint of `step` is durable, None if no step was taken."""

    kind = "paused"
    durable = True
    step: int | None


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The work is done. `artifact` is the folder that is committed, None where there is none."""

    kind = "finished"
    durable = True
    artifact: str | None
    digest: str


@dataclass(frozen=True, kw_only=True)
class RunErred(Event):
    """The work ended with an error; `error` is its class in the error tree, or what else it is."""

    kind = "failed"
    durable = True
    error: str
    reason: Reason
    message: str
    hint: str


Emit = Callable[[Event], None]

_PROGRESS_EVERY_SECONDS = 0.5


def counting(
    emit: Emit, *, unit: str, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int | None], None]:
    """A function that takes what is done and the total or None, and tells it now and then."""
    last_told = -_PROGRESS_EVERY_SECONDS

    def count(done: int, total: int | None) -> None:
        nonlocal last_told
        now = clock()
        if now - last_told >= _PROGRESS_EVERY_SECONDS or done == total:
            last_told = now
            emit(Progressed(done=done, total=total, unit=unit))

    return count


class EventLog:
    """The event file of one run, opened for appending by the one process that holds the run."""

    def __init__(self, path: Path) -> None:
        self._next_seq = _cut_torn_tail(path) + 1
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def __call__(self, event: Event) -> None:
        """Append `event`.

        Raises:
            OSError: the disk refused; nothing of the event is in the file.
        """
        record = {
            "seq": self._next_seq,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": event.kind,
            **asdict(event),
        }
        self._append(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        failpoint("events.after_append")
        if event.durable:
            os.fsync(self._descriptor)
        self._next_seq += 1

    def _append(self, line: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        if os.write(self._descriptor, line) < len(line):  # as a disk does that has just become full
            os.ftruncate(self._descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file; the log may be opened again."""
        os.close(self._descriptor)


def _cut_torn_tail(path: Path) -> int:
    """Cut a half-written last line off; return the last event's seq, 0 in an empty log."""
    if not path.exists():
        return 0
    content = path.read_bytes()
    complete = content[: content.rfind(b"\n") + 1]
    if len(complete) != len(content):
        with path.open("r+b") as file:
            file.truncate(len(complete))
            os.fsync(file.fileno())
    lines = complete.splitlines()
    return int(json.loads(lines[-1])["seq"]) if lines else 0


def read_events(path: Path, *, after: int = 0) -> Iterator[dict[str, Any]]:
    """The events that follow `after`, oldest first; a line still being written is left out."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        # Line n holds event n, so what a reader has seen is not parsed again at every look.
        for line in islice(file, after, None):
            if not line.endswith("\n"):
                return
            yield json.loads(line)


def read_events_backwards(path: Path) -> Iterator[dict[str, Any]]:
    """The events, newest first; a line is parsed when it is asked for."""
    content = path.read_bytes() if path.exists() else b""
    end = content.rfind(b"\n")
    while end >= 0:
        begin = content.rfind(b"\n", 0, end) + 1
        yield json.loads(content[begin:end])
        end = begin - 1


def current_history(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events without what a resume took back: steps after the checkpoint it continued from."""
    history: list[dict[str, Any]] = []
    for event in events:
        if event["kind"] == "started":
            history = [past for past in history if _stays(past, from_step=event["from_step"])]
        history.append(event)
    return history


def _stays(event: dict[str, Any], *, from_step: int) -> bool:
    """Whether it is told once only; a run that begins anew tells even its step 0 again."""
    step = event.get("step")
    return step is None or (from_step > 0 and step <= from_step)
