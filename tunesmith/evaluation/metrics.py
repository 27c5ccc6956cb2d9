"""Comparing an answer with its reference: 1 right, 0 wrong. One literal table. Torch-free."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Metric = Callable[[str, str], float]


def exact(answer: str, reference: str) -> float:
    """The same text but for white space around it."""
    return float(answer.strip() == reference.strip())


def json_exact(answer: str, reference: str) -> float:
    """The same JSON value; an answer that is not JSON alone is wrong."""
    parsed = _parse(answer)
    return float(parsed is not _INVALID and parsed == json.loads(reference))


def json_valid(answer: str, reference: str) -> float:
    """The answer is JSON and nothing else."""
    return float(_parse(answer) is not _INVALID)


def final_number(answer: str, reference: str) -> float:
    """The same number after the last `####`, as in GSM8K; without one, the last word."""
    return float(_last(answer) == _last(reference))


_INVALID = object()


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _INVALID


def _last(text: str) -> str:
    words = text.rpartition("####")[2].split()
    return words[-1].replace(",", "").rstrip(".") if words else ""


METRICS: Mapping[str, Metric] = {
    "exact": exact,
    "json-exact": json_exact,
    "json-valid": json_valid,
    "final-number": final_number,
}
