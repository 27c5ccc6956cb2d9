"""The filters, methods and globals that chat templates use, each within the budget of a render."""

# jinja2 does not type its environment's tables and hooks
# pyright: reportUnknownMemberType=false, reportUnknownParameterType=false
# pyright: reportMissingParameterType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeArgument=false
# pyright: reportUnknownLambdaType=false

import json
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any

from jinja2 import filters, pass_eval_context
from jinja2.exceptions import SecurityError
from jinja2.runtime import LoopContext
from jinja2.sandbox import safe_range
from jinja2.utils import Cycler, Joiner, Namespace

from tunesmith.text.budget import (
    BUDGET,
    LimitPassed,
    check_format,
    check_joined,
    check_replacement,
    pay_for,
    printable,
    size_of,
)

_JINJA_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float"),
    *("int", "items", "last", "length", "list", "lower", "map", "max", "min", "reject"),
    *("rejectattr", "reverse", "safe", "select", "selectattr", "sort", "title", "trim", "unique"),
    *("upper", "wordcount"),
)
_TEXT_METHODS = (
    *("capitalize", "count", "endswith", "find", "index", "isalnum", "isalpha", "isascii"),
    *("isdecimal", "isdigit", "islower", "isnumeric", "isspace", "istitle", "isupper", "join"),
    *("lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rfind", "rindex"),
    *("rpartition", "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "swapcase"),
    *("title", "upper"),
)
METHODS: tuple[tuple[type, tuple[str, ...]], ...] = (
    (str, _TEXT_METHODS),
    (Mapping, ("get", "items", "keys", "values")),
    (list, ("count", "index")),
    (tuple, ("count", "index")),
)
SCAFFOLD = (LoopContext, Namespace, Cycler, Joiner)


class _Names(Namespace):
    """A namespace without the names by which jinja2 and Python treat a value as something else."""

    def __init__(self, /, **values: Any) -> None:
        for name in values:
            _check_name(name)
        super().__init__(values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_name(name)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        raise SecurityError("a namespace cannot be printed")


def _check_name(name: str) -> None:
    if name.startswith("_"):
        raise SecurityError("a namespace takes no names that start with an underscore")


@pass_eval_context
def _join(context: Any, value: Iterable[Any], d: str = "", attribute: Any = None) -> str:
    parts = list(value)
    check_joined(parts, str(d))
    return filters.sync_do_join(context, parts, d, attribute)


@pass_eval_context
def _replace(context: Any, s: str, old: str, new: str, count: int | None = None) -> str:
    check_replacement(s, old, new)
    return filters.do_replace(context, s, old, new, count)


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    step = len(width) if isinstance(width, str) else width
    BUDGET.get().spend((s.count("\n") + 1) * max(step, 0))
    return filters.do_indent(s, width, first, blank)


def _format(value: str, *args: Any, **kwargs: Any) -> str:
    check_format(value)
    return filters.do_format(value, *map(printable, args), **kwargs)


def _round(value: float, precision: int = 0, method: Any = "common") -> float:
    if abs(precision) > 20:
        raise LimitPassed
    return filters.do_round(value, precision, method)


def _string(value: Any) -> str:
    return str(printable(value))


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes HTML, which no model was trained on."""
    if indent is not None:
        BUDGET.get().spend(size_of(value) * indent)
    return json.dumps(
        printable(value),
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


_OWN_FILTERS: Mapping[str, Callable[..., Any]] = {
    "join": _join,
    "replace": _replace,
    "indent": _indent,
    "format": _format,
    "round": _round,
    "string": _string,
    "tojson": _to_json,
}


def _charged(function: Callable[..., Any]) -> Callable[..., Any]:
    """The filter `function`, paying for what goes in and comes out."""

    @wraps(function)
    def charged(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            if isinstance(value, str):
                BUDGET.get().spend(len(value))
        result = function(*args, **kwargs)
        pay_for(result)
        return result

    return charged


FILTERS: Mapping[str, Callable[..., Any]] = {
    name: _charged(function)
    for name, function in (
        *((name, filters.FILTERS[name]) for name in _JINJA_FILTERS),
        *_OWN_FILTERS.items(),
    )
}
GLOBALS: Mapping[str, Any] = {
    "range": safe_range,
    "cycler": Cycler,
    "joiner": Joiner,
    "dict": dict,
    "namespace": _Names,
}
