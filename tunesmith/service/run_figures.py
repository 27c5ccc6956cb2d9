"""The figures of a run, from what the engine said: curve, validations, pace, a table."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

History: TypeAlias = Sequence[Mapping[str, Any]]

_TAIL_BYTES = 1 << 17  # of an event file, in which the last step and validation are looked for
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


def curve(history: History) -> list[CurvePoint]:
    """Every optimizer step."""
    return [CurvePoint(**_only(event, CurvePoint)) for event in history if is_kind(event, "step")]


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


def thinned(steps: list[CurvePoint], *, most: int) -> list[CurvePoint]:
    """At most `most` of the steps, evenly, the first and the last among them."""
    if len(steps) <= most:
        return steps
    stride = (len(steps) - 1) / (most - 1)
    return [steps[round(place * stride)] for place in range(most)]


def seconds_left(steps: Sequence[CurvePoint], *, total_steps: int) -> float | None:
    """How long the steps that are left take at the pace of the last ones."""
    if not steps:
        return None
    pace = fmean(step.seconds for step in steps[-_NUM_RECENT_STEPS:])
    return pace * max(0, total_steps - steps[-1].step)


def last_losses(path: Path) -> dict[str, float]:
    """The last loss of each kind of event that has one, from the end of an event file."""
    if not path.exists():
        return {}
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL_BYTES))
        lines = file.read().splitlines(keepends=True)
    if size > _TAIL_BYTES:
        lines = lines[1:]  # begins somewhere in a line
    events = [json.loads(line) for line in lines if line.endswith(b"\n")]
    return {event["kind"]: event["loss"] for event in events if "loss" in event}


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
