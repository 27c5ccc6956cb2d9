"""Calls of tools in what a model writes, which each family of models does its own way. Torch-free.

What is no whole call of an offered tool stays text.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

MARKS = ("<tool_call>", "</tool_call>", "[TOOL_CALLS]", "[ARGS]", "<|python_tag|>")
"""Tokens that mark calls. Some are special ones in their model, and shown all the same."""


@dataclass(frozen=True)
class Call:
    """A call; `arguments` is JSON text of an object."""

    name: str
    arguments: str


@dataclass(frozen=True)
class CallFormat:
    """How a family of models writes calls.

    Attributes:
        openings: what begins them, by the names of the tools that are offered.
        closing: what ends them; "" is the end of the answer.
        is_first: whether they stand only at the beginning of an answer.
    """

    openings: Callable[[Collection[str]], Collection[str]]
    closing: str = ""
    is_first: bool = False


FORMATS: Mapping[str, CallFormat] = {
    # <tool_call>{"name": "add", "arguments": {"a": 2}}</tool_call>, of Hermes, Qwen 2.5 and 3
    "<tool_call>": CallFormat(lambda names: ["<tool_call>"], closing="</tool_call>"),
    # [TOOL_CALLS] [{"name": "add", "arguments": {"a": 2}}], lately [TOOL_CALLS]add[ARGS]{"a": 2}
    "[TOOL_CALLS]": CallFormat(lambda names: ["[TOOL_CALLS]"]),
    # {"name": "add", "parameters": {"a": 2}}, of Llama 3.1 and later
    "<|start_header_id|>": CallFormat(lambda names: ["<|python_tag|>", "{"], is_first=True),
    # add, a new line, {"a": 2}, of GLM 4
    "[gMASK]<sop>": CallFormat(lambda names: [f"{name}\n" for name in names], is_first=True),
}
"""The formats by what the chat templates of their family contain."""

ANSWER_IS_CALL = CallFormat(lambda names: ["{"], is_first=True)
"""Where nothing but a call can be written: `tools.call_schema` says what."""


def format_of(chat_template: str) -> CallFormat:
    """How a model calls that reads this template; Hermes' way where the template tells no tools."""
    known = (made for sign, made in FORMATS.items() if sign in chat_template)
    return next(known, FORMATS["<tool_call>"])


@dataclass(frozen=True)
class Said:
    """What an answer goes on with."""

    text: str
    calls: tuple[Call, ...] = ()


class CallReader:
    """Parts one answer into text and calls, as it comes.

    Text that may yet turn out to be a call is held back, and so is white space before it.
    """

    def __init__(self, style: CallFormat, names: Collection[str]) -> None:
        self._style, self._names = style, names
        self._openings = style.openings(names)
        self._pending = ""
        self._is_first = True
        self.num_calls = 0

    def push(self, text: str, *, is_last: bool) -> Said:
        """What is certain with this text."""
        self._pending += text
        said, calls = "", list[Call]()
        while (block := self._find_block(is_last=is_last)) is not None:
            start, stop = block
            found = self._read(self._pending[start:stop])
            said += self._pending[:start].rstrip() if found else self._pending[:stop]
            calls += found
            self._take(stop)
        self.num_calls += len(calls)
        if is_last and self.num_calls > 0:
            self._pending = self._pending.rstrip()
        said += self._take(len(self._pending) if is_last else self._num_certain())
        return Said(said, tuple(calls))

    def _take(self, size: int) -> str:
        taken, self._pending = self._pending[:size], self._pending[size:]
        self._is_first = self._is_first and not taken
        return taken

    def _find_block(self, *, is_last: bool) -> tuple[int, int] | None:
        """Where the first call, or what may be one, begins and ends."""
        start = self._find_opening()
        if start is None:
            return None
        closing = self._style.closing
        at = self._pending.find(closing, start) if closing else -1
        if at >= 0:
            return start, at + len(closing)
        return (start, len(self._pending)) if is_last else None

    def _find_opening(self) -> int | None:
        if not self._style.is_first:
            places = [self._pending.find(opening) for opening in self._openings]
            return min((at for at in places if at >= 0), default=None)
        begun = self._pending.lstrip()
        if self._is_first and begun.startswith(tuple(self._openings)):
            return len(self._pending) - len(begun)
        return None

    def _num_certain(self) -> int:
        """How much of what is pending is text whatever comes."""
        start = self._find_opening()
        if start is not None:
            return len(self._pending[:start].rstrip())
        if self._style.is_first:
            begun = self._pending.lstrip()
            may_open = any(opening.startswith(begun) for opening in self._openings)
            return 0 if self._is_first and may_open else len(self._pending)
        held = max(_overlap(self._pending, opening) for opening in self._openings)
        return len(self._pending[: len(self._pending) - held].rstrip())

    def _read(self, block: str) -> list[Call]:
        """The calls of a block; none if it is something else."""
        try:
            calls = list(_calls_in(block))
        except (ValueError, RecursionError):
            return []
        return calls if all(call.name in self._names for call in calls) else []


def _overlap(text: str, opening: str) -> int:
    """How much of an opening `text` ends with, short of all of it."""
    sizes = range(min(len(opening) - 1, len(text)), -1, -1)
    return next(size for size in sizes if text.endswith(opening[:size]))


_BETWEEN = re.compile(rf"(?:[\s,;]|{'|'.join(map(re.escape, MARKS))})*")
_NAMED = re.compile(r"([^\s\[\]{}\"]+)\s*(?:\[ARGS\])?\s*(?=\{)")


def _calls_in(block: str) -> Iterator[Call]:
    """Raises ValueError if there is anything else."""
    at = _end_of_marks(block, 0)
    while at < len(block):
        named = _NAMED.match(block, at)
        value, at = _DECODER.raw_decode(block, named.end() if named else at)
        if named is not None:
            yield _call(named[1], value)
        else:
            yield from map(_described_call, value if isinstance(value, list) else [value])
        at = _end_of_marks(block, at)


def _end_of_marks(block: str, at: int) -> int:
    found = _BETWEEN.match(block, at)
    return at if found is None else found.end()


def _described_call(value: Any) -> Call:
    if not isinstance(value, dict):
        raise ValueError
    described = cast("dict[str, Any]", value)
    return _call(described.get("name"), described.get("arguments", described.get("parameters", {})))


def _call(name: Any, arguments: Any) -> Call:
    if not isinstance(name, str) or not isinstance(arguments, dict):
        raise ValueError
    return Call(name, json.dumps(arguments, ensure_ascii=False))


def _refuse(constant: str) -> NoReturn:
    raise ValueError


_DECODER = json.JSONDecoder(parse_constant=_refuse)
