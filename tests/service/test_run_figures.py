"""A run's course, sketched out of an event file of any size without reading through it."""

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest

from tunesmith.service.run_figures import seconds_left, sketch, tail

_STEP = {"kind": "step", "loss": 2.0, "seconds": 0.5, "learning_rate": 1e-4, "grad_norm": 1.0}


def _write(path: Path, steps: Iterable[int]) -> None:
    events = ({**_STEP, "step": step, "loss": 100 / step} for step in steps)
    path.write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")


@pytest.mark.parametrize("num_steps", [1, 30, 500, 20_000])
def test_a_sketch_goes_from_the_first_steps_to_the_last(tmp_path: Path, num_steps: int) -> None:
    _write(tmp_path / "events", range(1, num_steps + 1))
    course = sketch(tmp_path / "events", most=32)
    assert len(course) == min(num_steps, 32)
    assert course[0][0] <= num_steps / 32 + 1
    assert course[-1] == (num_steps, 100 / num_steps)
    assert course == sorted(course)


def test_steps_that_were_taken_again_are_shown_once(tmp_path: Path) -> None:
    _write(tmp_path / "events", [*range(1, 3001), *range(2001, 4001)])
    steps = [step for step, _ in sketch(tmp_path / "events", most=32)]
    assert len(steps) > 20
    assert all(before < after for before, after in pairwise(steps))


def test_the_end_of_a_file_says_how_long_the_rest_takes(tmp_path: Path) -> None:
    _write(tmp_path / "events", range(1, 2001))
    assert seconds_left(tail(tmp_path / "events"), total_steps=2100) == 50.0
    assert sketch(tmp_path / "none", most=32) == tail(tmp_path / "none") == []
