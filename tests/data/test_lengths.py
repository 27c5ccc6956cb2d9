"""A histogram of lengths: nothing is lost, bars are of a round width."""

import numpy as np
import pytest

from tunesmith.data.lengths import measure_lengths
from tunesmith.text.conversation import Passage


def _measure(lengths: list[int]):
    return measure_lengths((n, Passage("x" * length)) for n, length in enumerate(lengths))


def test_every_example_is_in_the_bar_of_its_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 300, 1000).tolist()
    found = _measure(lengths)
    assert found.width == 10
    assert sum(found.counts) == 1000
    assert found.counts[3] == sum(30 <= length < 40 for length in lengths)
    assert (found.median, found.longest) == (int(np.median(lengths)), max(lengths))


@pytest.mark.parametrize(("longest", "width"), [(1, 1), (59, 2), (1500, 50), (1501, 100)])
def test_widths_are_round(longest: int, width: int) -> None:
    assert _measure([longest] * 5).width == width


def test_the_last_bar_holds_the_few_that_are_far_longer() -> None:
    found = _measure([10] * 999 + [100_000])
    assert (found.width, len(found.counts), found.counts[-1]) == (1, 31, 1)
    assert found.longest == 100_000
