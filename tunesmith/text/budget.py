"""What one render of a template may make: values are paid for, huge ones before they are made."""

import re
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, cast

from jinja2 import Undefined
from jinja2.exceptions import SecurityError

from tunesmith.text.unseen import Unseen, text_of

MAX_SECONDS = 2.0  # of this thread's CPU
MAX_UNITS = 50_000_000  # about a byte each; the conversation's own size comes on top
UNITS_PER_INPUT_CHARACTER = 50
_UNITS_PER_ROUND = 20
_UNITS_PER_PART = 50  # of a split text
_MAX_INTEGER_BITS = 256
_MAX_FORMAT_WIDTH = 999


class LimitPassed(Exception):
    """The template worked too long or made too much."""


class Budget:
    """What one render may still spend."""

    def __init__(self, num_input_characters: int) -> None:
        self._units = MAX_UNITS + UNITS_PER_INPUT_CHARACTER * num_input_characters
        self._deadline = time.thread_time() + MAX_SECONDS

    @property
    def units(self) -> int:
        """What is left."""
        return self._units

    def spend(self, units: int) -> None:
        """Pay for a value of so many bytes.

        Raises:
            LimitPassed: there is not enough left.
        """
        self._units -= units
        if self._units < 0:
            raise LimitPassed

    def spend_round(self, num_characters: int) -> None:
        """Pay for a round that prints so much text of the template's own.

        Raises:
            LimitPassed: there is not enough left, or the time is up.
        """
        self.spend(_UNITS_PER_ROUND + num_characters)
        if time.thread_time() > self._deadline:
            raise LimitPassed


BUDGET: ContextVar[Budget] = ContextVar("budget")


def pay_for(value: Any) -> None:
    """Spend the size of `value`."""
    BUDGET.get().spend(len(value) if type(value) is str else size_of(value))


def size_of(value: Any) -> int:
    """Bytes to write `value` out, however often it holds the same part.

    Raises:
        LimitPassed: more than the budget has; the count stops there.
    """
    limit = BUDGET.get().units
    total, pending = 0, [value]
    while pending:
        part = pending.pop()
        total += 8
        if type(part) is Unseen:
            total += len(text_of(part))
        elif isinstance(part, str):
            total += len(part)
        elif isinstance(part, list | tuple):
            pending += part
        elif isinstance(part, Mapping):
            pending += part.keys()
            pending += part.values()
        elif isinstance(part, int) and part.bit_length() > _MAX_INTEGER_BITS:
            raise LimitPassed
        if total > limit:
            raise LimitPassed
    return total


def check_operands(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be huge.

    Raises:
        LimitPassed: it would be.
    """
    if operator == "%" and isinstance(left, str):
        check_format(left)
    elif operator == "**" and isinstance(left, int) and isinstance(right, int):
        if left.bit_length() * right > _MAX_INTEGER_BITS:
            raise LimitPassed
    elif operator == "*":
        for times, sequence in ((left, right), (right, left)):
            if isinstance(times, int) and isinstance(sequence, str | list | tuple):
                BUDGET.get().spend(max(times, 0) * size_of(sequence))


def checked_arguments(method: str, receiver: str, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments of a method of a text, if what it will make can be paid for."""
    BUDGET.get().spend(len(receiver))
    if method == "replace":
        check_replacement(receiver, *args[:2])
    elif method == "join":
        parts: list[Any] = list(*args)
        check_joined(parts, receiver)
        return (parts,)
    elif method in ("split", "rsplit", "splitlines"):
        by_text = bool(args) and isinstance(args[0], str)
        num_parts = receiver.count(args[0]) if by_text else len(receiver) // 2
        BUDGET.get().spend(_UNITS_PER_PART * num_parts)
    return args


def check_replacement(text: str, old: Any, new: Any) -> None:
    """Spend what replacing `old` by `new` adds."""
    BUDGET.get().spend(str(text).count(str(old)) * len(str(new)))


def check_joined(parts: list[Any], separator: str) -> None:
    """Spend what joining `parts` makes."""
    BUDGET.get().spend(size_of(parts) + len(parts) * len(separator))


def check_format(pattern: str) -> None:
    """Refuse a width such as `%999999999d`, which would make a huge text.

    Raises:
        LimitPassed: there is one.
    """
    widths = re.findall(r"\d+", pattern)
    if "*" in pattern or any(int(width[:9]) > _MAX_FORMAT_WIDTH for width in widths):
        raise LimitPassed


def printable(value: Any) -> Any:
    """A value of a kind that is printed; of others the text would be Python's own.

    Raises:
        SecurityError: `value` is of another kind.
    """
    if value is None or isinstance(value, str | int | float | list | tuple | dict | Undefined):
        pay_for(value)
        return cast(Any, value)
    raise SecurityError(f"a value of kind {type(value).__name__!r} cannot be printed")
