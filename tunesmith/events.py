"""What a stage says while it works: an append-only JSON-lines file, the engine's only voice.

Every line is `{"seq", "time", "kind", ...}`. `seq` grows by one, so a reader that saw event n asks
for what follows n and misses nothing. After a crash the torn last line, if any, is cut off; steps
that a resume takes again are written again, and `current_history` keeps the last word.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar


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
class RunStarted(Event):
    """Training begins or goes on: the planned steps, and the step it continues from (0 = fresh)."""

    kind = "started"
    durable = True
    total_steps: int
    from_step: int
    config_digest: str


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    """One optimizer step. `loss` is the mean over the step's trained tokens, in nats."""

    kind = "step"
    step: int
    epoch: float
    loss: float
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
    """Stopped on request; the checkpoint of `step` is durable."""

    kind = "paused"
    durable = True
    step: int


@dataclass(frozen=True, kw_only=True)
class RunFinished(Event):
    """The final adapter or weights are committed."""

    kind = "finished"
    durable = True
    step: int
    artifact: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class RunErred(Event):
    """The run ended with an error; `error` is its class in the error tree."""

    kind = "failed"
    durable = True
    error: str
    message: str
    hint: str


Emit = Callable[[Event], None]


class EventLog:
    """The event file of one run, opened for appending by the one process that holds the run."""

    def __init__(self, path: Path) -> None:
        self._next_seq = _cut_torn_tail(path) + 1
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        """Append `event`."""
        record = {
            "seq": self._next_seq,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "kind": event.kind,
            **asdict(event),
        }
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()
        if event.durable:
            os.fsync(self._file.fileno())
        self._next_seq += 1

    def close(self) -> None:
        """Close the file; the log may be opened again."""
        self._file.close()


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
        for line in file:
            if not line.endswith("\n"):
                return
            event = json.loads(line)
            if event["seq"] > after:
                yield event


def current_history(events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events without what a resume took back: steps after the checkpoint it continued from."""
    history: list[dict[str, Any]] = []
    for event in events:
        if event["kind"] == "started":
            kept = event["from_step"]
            history = [past for past in history if past.get("step", 0) <= kept]
        history.append(event)
    return history
