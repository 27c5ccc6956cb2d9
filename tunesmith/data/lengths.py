"""How long the examples of a version are, in characters."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tunesmith.data.storage import NumberedExample
from tunesmith.text.conversation import texts_of

_NUM_BARS = 30
_ROUND = (1, 2, 5, 10)  # widths of bars that people read easily, times a power of ten


@dataclass(frozen=True)
class Lengths:
    """A histogram: bar i counts examples from i * `width` to below (i + 1) * `width` characters.

    The last bar holds all that are longer, 1 in 100 at most.
    """

    width: int
    counts: list[int]
    median: int
    longest: int


def measure_lengths(examples: Iterable[NumberedExample]) -> Lengths:
    """The lengths of all texts of each example together."""
    lengths = array("q", (sum(len(text) for _, text in texts_of(each)) for _, each in examples))
    lengths_N = np.array(lengths)
    width = _round_up(float(np.quantile(lengths_N, 0.99)) / _NUM_BARS)
    bars_N = np.minimum(lengths_N // width, _NUM_BARS)
    return Lengths(
        width=width,
        counts=np.bincount(bars_N).tolist(),
        median=int(np.median(lengths_N)),
        longest=int(lengths_N.max()),
    )


def _round_up(width: float) -> int:
    magnitude = 10 ** max(0, int(np.floor(np.log10(max(width, 1)))))
    return next(round(each * magnitude) for each in _ROUND if each * magnitude >= width)
