"""A run's trackers follow its events, each in a thread of its own.

Training never waits for a tracker, and one that fails costs a warning. What each has taken is
marked in the run's folder: a resumed run sends what is missing, which the event file still has, and
repeats nothing but the step at which it was killed.
"""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from pydantic import ValidationError

from tunesmith.artifacts import write_durably
from tunesmith.events import Emit, Event, Warned, current_history, read_events
from tunesmith.schema import Strict
from tunesmith.training.config import TrackerConfig
from tunesmith.training.job import TrainJob
from tunesmith.training.trackers.sinks import TRACKERS, Sink, TrackedRun, check_trackers

_FOLDER = "trackers"
_PATIENCE_SECONDS = 10.0  # at the end, for a tracker that still has something to take

Record = Mapping[str, Any]  # an event as the event file has it


def _values_of_step(record: Record) -> dict[str, float]:
    return {
        "train/loss": record["loss"],
        "train/learning_rate": record["learning_rate"],
        "train/grad_norm": record["grad_norm"],
        "train/epoch": record["epoch"],
        "train/tokens_per_second": record["num_tokens"] / record["seconds"],
    }


def _values_of_validation(record: Record) -> dict[str, float]:
    return {"validation/loss": record["loss"], "validation/accuracy": record["accuracy"]}


_VALUES: Mapping[str, Callable[[Record], dict[str, float]]] = {
    "step": _values_of_step,
    "evaluated": _values_of_validation,
}


class Mark(Strict):
    """The last step that a tracker has taken, by kind of event."""

    step: int = 0
    evaluated: int = 0


@contextmanager
def tracking(job: TrainJob, folder: Path, *, events: Path, emit: Emit) -> Generator[Emit]:
    """Within, what is emitted also goes to the trackers of the recipe.

    They begin with what the event file `events` has and they have not.

    Raises:
        RecipeInvalid: a tracker's package is not installed.
    """
    check_trackers(job.config.trackers)
    home = folder / _FOLDER
    if job.config.trackers:
        home.mkdir(exist_ok=True)
    recipe = job.config.resolved().model_dump(mode="json")
    run = TrackedRun(id=job.run_id, name=job.config.name, folder=home, recipe=recipe)
    past = [each for each in current_history(read_events(events)) if each["kind"] in _VALUES]
    followers = [_Follower(config, run, past) for config in job.config.trackers]

    def tell(event: Event) -> None:
        emit(event)
        for follower in followers:
            if event.kind in _VALUES:
                follower.take({"kind": event.kind, **asdict(event)})
            for problem in follower.problems():
                emit(Warned(message=problem))

    finished = False
    try:
        yield tell
        finished = True
    finally:
        for follower in followers:
            follower.end(finished=finished)
        for follower in followers:
            follower.join(_PATIENCE_SECONDS)
            for problem in follower.problems():
                emit(Warned(message=problem))


class _End(Strict):
    """Put after the last event."""

    finished: bool


class _Follower:
    """Hands events on to one tracker."""

    def __init__(self, config: TrackerConfig, run: TrackedRun, past: list[dict[str, Any]]) -> None:
        self._config = config
        self._run = run
        self._mark_file = run.folder / f"{config.kind}.json"
        self._mark = _read_mark(self._mark_file)
        self._queue: SimpleQueue[Record | _End] = SimpleQueue()
        self._problems: SimpleQueue[str] = SimpleQueue()
        for record in past:
            self._queue.put(record)
        name = f"tracker-{config.kind}"
        self._thread = threading.Thread(target=self._follow, name=name, daemon=True)
        self._thread.start()

    def take(self, record: Record) -> None:
        """Hand on an event, soon."""
        if self._thread.is_alive():
            self._queue.put(record)

    def end(self, *, finished: bool) -> None:
        """Hand on nothing more."""
        self._queue.put(_End(finished=finished))

    def join(self, seconds: float) -> None:
        """Wait until all is handed on, but not for ever."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._problems.put(f"tracker {self._config.kind} did not take all metrics in time")

    def problems(self) -> list[str]:
        """What went wrong since it was last asked."""
        return _drain(self._problems)

    def _follow(self) -> None:
        try:
            first = self._queue.get()
            if isinstance(first, _End):
                return  # nothing was measured: the tracker need not hear of it
            sink = TRACKERS[self._config.kind].open(self._config, self._run)
            sink.close(finished=self._hand_on(sink, first))
        except Exception as error:  # every tracker raises its own, of network, accounts, disks
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self._problems.put(
                f"tracker {self._config.kind} failed and gets no more metrics of this run until "
                f"it is resumed: {reason}"
            )

    def _hand_on(self, sink: Sink, first: Record) -> bool:
        """Log what comes until the end; return whether the run is finished."""
        batch = [first, *_drain(self._queue)]
        while True:
            for record in batch:
                if not isinstance(record, _End):
                    self._log(sink, record)
            sink.flush()
            write_durably(self._mark_file, self._mark.model_dump_json())
            last = batch[-1]
            if isinstance(last, _End):
                return last.finished
            batch = [self._queue.get(), *_drain(self._queue)]

    def _log(self, sink: Sink, record: Record) -> None:
        kind, step = record["kind"], record["step"]
        if step <= getattr(self._mark, kind):
            return  # a resumed run takes steps again, to the same values
        sink.log(step, _VALUES[kind](record))
        self._mark = self._mark.model_copy(update={kind: step})


def _read_mark(path: Path) -> Mark:
    try:
        return Mark.model_validate_json(path.read_text("utf-8"))
    except (FileNotFoundError, ValidationError):
        return Mark()


Item = TypeVar("Item")


def _drain(queue: "SimpleQueue[Item]") -> list[Item]:
    items: list[Item] = []
    try:
        while True:
            items.append(queue.get_nowait())
    except Empty:
        return items
