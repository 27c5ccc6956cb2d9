"""A training run's events as live text: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from tunesmith.cli.show import console, duration, one_line, say, warn
from tunesmith.events import (
    CheckpointSaved,
    Emit,
    Evaluated,
    Event,
    PhaseStarted,
    Progressed,
    RunPaused,
    RunStarted,
    Sampled,
    StepDone,
    Warned,
)

_LINE_EVERY_SECONDS = 10.0  # without a terminal
_RECENT_STEPS = 20


class TrainingProgress:
    """Shows the events of one run. `bar` is None without a terminal."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task: TaskID | None = None
        self._total = 0
        self._recent: list[StepDone] = []
        self._last_line = 0.0

    def __call__(self, event: Event) -> None:
        """Show `event`."""
        match event:
            case PhaseStarted(phase=phase, detail=detail):
                say(f"· {phase} {detail}".rstrip())
            case RunStarted(total_steps=total, from_step=from_step):
                self._start(total, from_step)
            case StepDone():
                self._step(event)
            case Evaluated(step=step, loss=loss, accuracy=accuracy):
                say(
                    f"  step {step}: validation loss {loss:.4f}, next-token accuracy {accuracy:.1%}"
                )
            case Sampled(step=step, prompt=prompt, answer=answer):
                say(f"  step {step}: {one_line(prompt)} → {one_line(answer)}")
            case CheckpointSaved(step=step) if self._bar is None:
                say(f"  step {step}: checkpoint saved")
            case RunPaused(step=step) if step is not None:
                say(f"  paused; the checkpoint of step {step} is safe")
            case Warned(message=message):
                warn(message)
            case _:
                pass

    def _start(self, total: int, from_step: int) -> None:
        self._total = total
        if from_step:
            say(f"· continuing after step {from_step} of {total}")
        if self._bar is not None:
            self._task = self._bar.add_task(
                "training", total=total, completed=from_step, figures=""
            )

    def _step(self, event: StepDone) -> None:
        self._recent = [*self._recent[-_RECENT_STEPS + 1 :], event]
        now = time.monotonic()
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=event.step, figures=self._figures(event))
        elif now - self._last_line >= _LINE_EVERY_SECONDS or event.step == self._total:
            self._last_line = now
            say(f"  step {event.step}/{self._total} {self._figures(event)}")

    def _figures(self, event: StepDone) -> str:
        seconds = sum(step.seconds for step in self._recent)
        tokens = sum(step.num_tokens for step in self._recent)
        left = (self._total - event.step) * seconds / len(self._recent)
        return (
            f"loss {event.loss:.4f}  rate {event.learning_rate:.2e}  "
            f"{tokens / seconds:,.0f} tokens/s  ETA {duration(left)}"
        )


@contextmanager
def training_progress() -> Generator[Emit]:
    """A listener for the events of a run, shown while the context lasts."""
    if not console.is_terminal:
        yield TrainingProgress(None)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console) as bar:
        yield TrainingProgress(bar)


@contextmanager
def counted_progress(description: str) -> Generator[Callable[[int, int | None], None]]:
    """A bar for work that counts: the yielded function takes what is done and the total or None."""
    if not console.is_terminal:
        yield lambda done, total: None
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def job_progress(description: str) -> Generator[Emit]:
    """A listener that shows warnings and, on a terminal, which phase work is in and how far."""
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}"),
    )
    shows = console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=not shows) as bar:
        task = bar.add_task(description, total=None, count="")

        def listener(event: Event) -> None:
            match event:
                case Warned(message=message):
                    warn(message)
                case PhaseStarted(phase=phase, detail=detail):
                    words = f"{phase} {detail}".rstrip()
                    bar.reset(task, description=words, total=None, count="")
                case Progressed(done=done, total=total, unit=unit):
                    of = f" of {total:,}" if total else ""
                    count = f"{done:,}{of} {unit}"
                    bar.update(task, completed=done, total=total, count=count)
                case _:
                    pass

        yield listener
