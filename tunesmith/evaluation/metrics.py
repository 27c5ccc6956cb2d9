"""Comparing an answer with its reference: 1 right, 0 wrong. One literal table. Torch-free."""

import json
from collections.abc import Callable, Mapping

from tunesmith.errors import DatasetRejected

Metric = Callable[[str, str], float]


def exact(answer: str, reference: str) -> float:
    """The same text but for white space around it."""
    return float(answer.strip() == reference.strip())


def json_exact(answer: str, reference: str) -> float:
    """The same JSON value, whatever the order of keys; an answer that is not JSON alone is wrong.

    Raises:
        DatasetRejected: the reference is not JSON.
    """
    wanted = _canonical(reference)
    if wanted is None:
        raise DatasetRejected(
            f"the reference answer {reference[:60]!r} is not JSON", hint="choose --metric exact"
        )
    return float(_canonical(answer) == wanted)


def json_valid(answer: str, reference: str) -> float:
    """The answer is JSON and nothing else."""
    return float(_canonical(answer) is not None)


def final_number(answer: str, reference: str) -> float:
    """The same number after the last `####`, as in GSM8K; without one, the last word."""
    return float(_last(answer) == _last(reference))


def _canonical(text: str) -> str | None:
    """The JSON of `text` with sorted keys, so that `true` is not 1; None if it is not JSON."""
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except (ValueError, RecursionError):
        return None


def _last(text: str) -> str:
    words = text.rpartition("####")[2].split()
    return words[-1].replace(",", "").rstrip(".") if words else ""


METRICS: Mapping[str, Metric] = {
    "exact": exact,
    "json-exact": json_exact,
    "json-valid": json_valid,
    "final-number": final_number,
}
