"""A step takes as many threads as make it quickest, whatever else the machine does."""

import pytest
import torch

from tunesmith.serving.threads import StepThreads


class Machine:
    """Where steps take what is said, by number of threads."""

    def __init__(self, seconds: dict[int, float]) -> None:
        self.now, self.seconds = 0.0, seconds
        self.threads = StepThreads(lambda: self.now)

    def steps(self, count: int, *, rows: int = 8) -> list[int]:
        """Take steps; returns the threads of each."""
        taken: list[int] = []
        for _ in range(count):
            with self.threads.taken(rows):
                taken.append(torch.get_num_threads())
                self.now += self.seconds[taken[-1]]
        return taken


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(torch, "get_num_threads", lambda: counts[-1])
    counts = [4]
    monkeypatch.setattr(torch, "set_num_threads", counts.append)
    return Machine({1: 3.0, 4: 2.0})


def test_the_quicker_number_is_taken_and_a_change_is_noticed(machine: Machine) -> None:
    assert machine.steps(128) == [4] * 3 + [1] * 3 + [4] * 122
    machine.seconds = {1: 3.0, 4: 5.0}  # something else is at work
    assert machine.steps(128) == [4] * 3 + [1] * 125
    assert machine.steps(6, rows=2) == [4] * 3 + [1] * 3, "fewer rows have a choice of their own"
    assert torch.get_num_threads() == 4, "what is behind a step has all threads"


def test_many_rows_take_all_threads(machine: Machine) -> None:
    assert machine.steps(5, rows=500) == [4] * 5


def test_a_step_that_fails_is_no_try(machine: Machine) -> None:
    with pytest.raises(ZeroDivisionError), machine.threads.taken(8):
        raise ZeroDivisionError
    assert torch.get_num_threads() == 4
    assert machine.steps(7) == [4] * 3 + [1] * 3 + [4]
