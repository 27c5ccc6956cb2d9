"""The figures of a run, from what the engine said: curve, validations, pace, a table."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, BinaryIO, TypeAlias, TypeVar

History: TypeAlias = Sequence[Mapping[str, Any]]
Step = TypeVar("Step")

_TAIL_BYTES = 1 << 17  # of an event file, in which the last step and validation are looked for
_PLACE_BYTES = 1 << 10  # of an event file, in which a step is looked for: several lines of them
_NUM_RECENT_STEPS = 20  # whose pace says how long the rest takes
_COLUMNS = ("step", "epoch", "loss", "learning_rate", "grad_norm", "num_tokens", "seconds")


@dataclass(frozen=True)
class CurvePoint:
    """An optimizer step."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    grad_norm: float
    num_tokens: int
    seconds: float


@dataclass(frozen=True)
class ValidationPoint:
    """A validation after `step` steps."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class SamplePoint:
    """What the model answered after `step` steps; 0 is before the first."""

    step: int
    prompt: str
    answer: str


def curve(history: History, *, most: int) -> list[CurvePoint]:
    """The optimizer steps, at most `most` of them."""
    steps = thinned(_steps(history), most=most)
    return [CurvePoint(**_only(event, CurvePoint)) for event in steps]


def validations(history: History) -> list[ValidationPoint]:
    """Every validation."""
    found = (event for event in history if is_kind(event, "evaluated"))
    return [ValidationPoint(**_only(event, ValidationPoint)) for event in found]


def samples(history: History) -> list[SamplePoint]:
    """Every answer of the model while it learnt."""
    return [
        SamplePoint(**_only(event, SamplePoint)) for event in history if is_kind(event, "sampled")
    ]


def is_kind(event: Mapping[str, Any], kind: str) -> bool:
    """Whether an event is of `kind`."""
    return event["kind"] == kind


def _only(event: Mapping[str, Any], kind: type) -> dict[str, Any]:
    return {name: event[name] for name in kind.__annotations__}


def thinned(steps: Sequence[Step], *, most: int) -> Sequence[Step]:
    """At most `most` of the steps, evenly, the first and the last among them."""
    if len(steps) <= most:
        return steps
    stride = (len(steps) - 1) / (most - 1)
    return [steps[round(place * stride)] for place in range(most)]


def seconds_left(history: History, *, total_steps: int) -> float | None:
    """How long the steps that are left take at the pace of the last ones."""
    steps = _steps(history)
    if not steps:
        return None
    pace = fmean(step["seconds"] for step in steps[-_NUM_RECENT_STEPS:])
    return pace * max(0, total_steps - steps[-1]["step"])


def tokens_per_second(history: History) -> float:
    """How fast its steps were."""
    steps = _steps(history)
    seconds = sum(step["seconds"] for step in steps)
    return sum(step["num_tokens"] for step in steps) / seconds if seconds else 0.0


def last_losses(history: History) -> dict[str, float]:
    """The last loss of each kind of event that has one."""
    return {event["kind"]: event["loss"] for event in history if "loss" in event}


def tail(path: Path) -> History:
    """The last events of a file, without reading through it."""
    if not path.exists():
        return []
    size = path.stat().st_size
    with path.open("rb") as file:
        return _events_at(file, max(0, size - _TAIL_BYTES), size)


def sketch(path: Path, *, most: int) -> list[tuple[int, float]]:
    """The loss's course as (step, loss), in at most `most` steps, without reading through a file.

    One step is looked for at each of so many places, evenly spread over it.
    """
    if not path.exists():
        return []
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= most * _PLACE_BYTES:
            return list(thinned(_losses(_events_at(file, 0, size)), most=most))
        stride = (size - _PLACE_BYTES) / (most - 1)
        places = (round(place * stride) for place in range(most))
        events = [_events_at(file, place, _PLACE_BYTES) for place in places]
    return _losses(step for part in events for step in _steps(part)[-1:])


def _losses(history: Iterable[Mapping[str, Any]]) -> list[tuple[int, float]]:
    """The loss by step, without the steps that a resumed run took again later."""
    kept: list[tuple[int, float]] = []
    for step in reversed(_steps(history)):
        if not kept or step["step"] < kept[-1][0]:
            kept.append((step["step"], step["loss"]))
    return kept[::-1]


def _steps(history: Iterable[Mapping[str, Any]]) -> History:
    return [event for event in history if is_kind(event, "step")]


def _events_at(file: BinaryIO, place: int, length: int) -> History:
    """The events whose lines lie whole in a part of a file."""
    file.seek(place)
    lines = file.read(length).splitlines(keepends=True)
    whole = lines[1:] if place else lines  # else it begins somewhere in a line
    return [json.loads(line) for line in whole if line.endswith(b"\n")]


def csv_lines(history: History) -> Iterator[str]:
    """Every step as a line of CSV, with the validation that followed it."""
    validations = {event["step"]: event for event in history if is_kind(event, "evaluated")}
    yield ",".join((*_COLUMNS, "validation_loss", "validation_accuracy")) + "\n"
    for event in history:
        if is_kind(event, "step"):
            found = validations.get(event["step"], {})
            values = [event[name] for name in _COLUMNS]
            values += [found.get("loss", ""), found.get("accuracy", "")]
            yield ",".join(map(str, values)) + "\n"
