import threading
import time

import pytest

from tunesmith.data.parallel import map_ahead


def test_results_come_in_order_whatever_thread_is_faster() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.05 if number == 0 else 0)
        return number * number

    assert list(map_ahead(slow_at_first, range(10))) == [number * number for number in range(10)]


def test_an_error_is_raised_where_its_result_would_be() -> None:
    results = map_ahead(lambda number: 6 // number, [1, 2, 0, 3])
    assert [next(results), next(results)] == [6, 3]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_few_items_are_taken_before_they_are_needed() -> None:
    taken: list[int] = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = map_ahead(str, items())
    assert next(results) == "0"
    assert len(taken) < 5


def test_closed_early_it_leaves_no_thread() -> None:
    threads = threading.active_count()
    results = map_ahead(str, range(100))
    next(results)
    assert threading.active_count() > threads
    results.close()
    assert threading.active_count() == threads
