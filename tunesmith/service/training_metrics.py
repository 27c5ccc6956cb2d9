"""What a training measured, step by step, read from its events."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

from tunesmith.events import current_history, read_events, read_events_backwards
from tunesmith.jobs.folder import EVENTS

_RECENT_EVENTS = 400  # enough for the pace of now, evaluations and checkpoints included

Event = Mapping[str, Any]


@dataclass(frozen=True)
class TrainingMetrics:
    """All of a run that is not taken back: steps by number, validations by the step they follow."""

    steps: Mapping[int, Event]
    validations: Mapping[int, Event]
    checkpoints: Mapping[int, Event]

    def at(self, number: int) -> dict[str, float]:
        """What was measured at step `number`."""
        step, validation = self.steps.get(number), self.validations.get(number)
        return {
            **(step_metrics(step) if step else {}),
            **(validation_metrics(validation) if validation else {}),
        }

    @property
    def num_tokens(self) -> int:
        """Tokens that training has seen, each as often as it was seen."""
        return sum(int(step["num_tokens"]) for step in self.steps.values())


def step_metrics(event: Event) -> dict[str, float]:
    """A step under the names that clients know."""
    return {
        "step": event["step"],
        "train_loss": event["loss"],
        "train_mean_token_accuracy": event["accuracy"],
        "learning_rate": event["learning_rate"],
        "tokens": event["num_tokens"],
        "seconds": event["seconds"],
    }


def validation_metrics(event: Event) -> dict[str, float]:
    """A validation under the names that clients know. Ours is always of all chosen examples."""
    return {
        "step": event["step"],
        "valid_loss": event["loss"],
        "valid_mean_token_accuracy": event["accuracy"],
        "full_valid_loss": event["loss"],
        "full_valid_mean_token_accuracy": event["accuracy"],
    }


def read_metrics(run: Path) -> TrainingMetrics:
    """The metrics of the run in folder `run`."""
    history = current_history(read_events(run / EVENTS))
    return TrainingMetrics(
        steps=_by_step(history, "step"),
        validations=_by_step(history, "evaluated"),
        checkpoints=_by_step(history, "checkpoint"),
    )


def _by_step(history: Iterable[Event], kind: str) -> dict[int, Event]:
    return {int(event["step"]): event for event in history if event["kind"] == kind}


def as_csv(metrics: TrainingMetrics) -> str:
    """One row a step: the result file of a fine-tuning."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")
    )
    for number, step in metrics.steps.items():
        validation = metrics.validations.get(number, {})
        writer.writerow(
            (
                number,
                step["loss"],
                step["accuracy"],
                validation.get("loss", ""),
                validation.get("accuracy", ""),
            )
        )
    return text.getvalue()


def estimate_finish(run: Path, *, total_steps: int) -> datetime | None:
    """When the run in folder `run` will have taken all steps, None before it has taken two.

    From the pace of the latest steps of this attempt, with all that happened between them.
    """
    recent = islice(read_events_backwards(run / EVENTS), _RECENT_EVENTS)
    of_this_attempt = takewhile(lambda event: event["kind"] != "started", recent)
    steps = [event for event in of_this_attempt if event["kind"] == "step"]
    if len(steps) < 2:
        return None
    newest, oldest = steps[0], steps[-1]
    last = datetime.fromisoformat(newest["time"])
    pace = (last - datetime.fromisoformat(oldest["time"])) / (newest["step"] - oldest["step"])
    return last + max(0, total_steps - newest["step"]) * pace if pace > timedelta(0) else None
