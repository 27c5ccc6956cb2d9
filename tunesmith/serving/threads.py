"""How many threads a step takes: one or all, whichever was quicker of late.

Two threads that have the cores to themselves take a small step in two thirds of the time. Where
anything else is at work, such as the server beside its engine, each waits for the other after every
product and the step takes half as long again (benchmarks/NOTES.md). No figure of the model says
which it will be, so both are tried now and then.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from statistics import median

import torch

from tunesmith.serving.products import FEW_ROWS

_CYCLE = 128  # steps in which both are tried
_TRIES = 3  # of each in a cycle: the median knows nothing of a first that wakes threads


class StepThreads:
    """The choice for steps of 1 row, of 2 and 3, of 4 to 7, and so on; of many rows always all."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._all = torch.get_num_threads()
        self._counts = (self._all, 1)
        self._paces: defaultdict[int, _Pace] = defaultdict(_Pace)

    @contextmanager
    def taken(self, num_rows: int) -> Generator[None]:
        """Within, torch computes a step of so many rows with as many threads as suit it."""
        if self._all == 1 or num_rows > FEW_ROWS:
            yield
            return
        pace = self._paces[num_rows.bit_length()]
        choice = pace.choose()
        began = self._clock()
        with threads(self._counts[choice]):
            yield
        pace.note(choice, self._clock() - began)


class _Pace:
    """What steps of about the same number of rows took with each choice."""

    def __init__(self) -> None:
        self._num_steps = 0
        self._tried: tuple[list[float], list[float]] = ([], [])

    def choose(self) -> int:
        place = self._num_steps % _CYCLE
        if place == 0:
            self._tried = ([], [])
        if place < 2 * _TRIES:
            return place // _TRIES
        return min((0, 1), key=lambda choice: median(self._tried[choice]))

    def note(self, choice: int, seconds: float) -> None:
        if len(self._tried[choice]) < _TRIES:
            self._tried[choice].append(seconds)
        self._num_steps += 1


@contextmanager
def threads(count: int) -> Generator[None]:
    """Within, torch computes in so many threads; threads of others that begin take what is set."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
