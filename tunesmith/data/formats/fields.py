"""Values of a row: each read, or refused with its path and what is wrong with it."""

from collections.abc import Iterable, Mapping, Set
from typing import Any, cast

from tunesmith.data.sources import Row
from tunesmith.data.sources.datafile import one_line


class RowRejected(Exception):
    """One row is not an example.

    Attributes:
        field: path of the offending value, such as `messages[3].content`.
        reason: what is wrong with it, a predicate.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}")
        self.field = field
        self.reason = reason

    def inside(self, place: str) -> "RowRejected":
        """The same, seen from what is around `place`.

        So a path is put together only for the row that needs one.
        """
        return RowRejected(".".join(filter(None, (place, self.field))), self.reason)


def text(value: Any, field: str) -> str:
    """A text that is more than whitespace.

    Raises:
        RowRejected: `value` is none.
    """
    if not isinstance(value, str):
        raise RowRejected(field, f"is {kind(value)}, a text is needed")
    if not value.strip():
        raise RowRejected(field, "is blank")
    if not value.isascii():
        refuse_surrogates(value, field)
    return value


def optional_text(value: Any, field: str) -> str:
    """A text, or nothing where it is missing, null or blank."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    return text(value, field)


def items(value: Any, field: str) -> list[Any]:
    """A list.

    Raises:
        RowRejected: `value` is none.
    """
    if not isinstance(value, list):
        raise RowRejected(field, f"is {kind(value)}, a list is needed")
    return cast(list[Any], value)


def fields(value: Any, field: str) -> Row:
    """An object.

    Raises:
        RowRejected: `value` is none.
    """
    if not isinstance(value, dict):
        raise RowRejected(field, f"is {kind(value)}, an object is needed")
    return cast(Row, value)


def member(value: Any, field: str, allowed: Mapping[str, Any]) -> Any:
    """What `allowed` has for the text `value`.

    Raises:
        RowRejected: it has nothing.
    """
    if isinstance(value, str) and value in allowed:
        return allowed[value]
    raise RowRejected(field, f"is {text(value, field)!r}, not one of {listed(allowed)}")


def refuse_other_keys(values: Row, field: str, *, known: Set[str]) -> None:
    """A weight or an image that is not read would change what the row means.

    Raises:
        RowRejected: `values` has a key beside `known`, and it is not null.
    """
    if values.keys() <= known:
        return
    for key, value in values.items():
        if key not in known and value is not None:
            refused = RowRejected(key, f"is not supported, only {listed(sorted(known))} are")
            raise refused.inside(field)


def refuse_surrogates(value: str, field: str) -> None:
    """Refuse half of a character, which cannot be stored as UTF-8.

    Raises:
        RowRejected: `value` has one.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowRejected(field, "has half of a surrogate pair, which is no character") from error


def kind(value: Any) -> str:
    """What `value` is, in words."""
    if value is None:
        return "missing or null"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool | int | float):
        return f"{value}"
    return "a list" if isinstance(value, list) else "an object"


_MOST_LISTED = 20


def listed(names: Iterable[str]) -> str:
    """Names with commas, shortened, the first twenty of them: a file may have 5,000 columns."""
    shown = [one_line(name, longest=40) for name in names]
    more = [f"and {len(shown) - _MOST_LISTED} more"] if len(shown) > _MOST_LISTED else []
    return ", ".join([*shown[:_MOST_LISTED], *more])
