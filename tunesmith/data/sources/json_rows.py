"""JSON and JSON Lines, row by row and strictly.

The parser is Python's own, run over a window of the file: it is written in C, refuses what our rows
refuse (a key twice, NaN, endless nesting) in both formats alike, and knows the place of an error.
Event parsers such as ijson see no duplicate key and build the same rows several times slower.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, NoReturn, cast

from tunesmith.data.sources.datafile import (
    MAX_ROW_CHARACTERS,
    DataFile,
    Named,
    NumberedRow,
    Row,
    one_line,
)
from tunesmith.data.sources.text import split_blocks, text_chunks, utf8_chunks
from tunesmith.errors import DatasetRejected


@dataclass(frozen=True)
class JsonLines(Named):
    """Some lines of a JSON Lines file in UTF-8, not parsed yet."""

    name: str
    first_line: int
    num_lines: int
    lines: bytes

    @property
    def last_row(self) -> int:
        """See `Block`."""
        kept = self.lines.rstrip()  # at once over the millions of blank lines that may end a file
        end = len(kept)
        num_lines = self.num_lines - self.lines.count(b"\n", end)
        for number in reversed(range(self.first_line, self.first_line + num_lines)):
            start = kept.rfind(b"\n", 0, end) + 1
            if kept[start:end].decode().strip():
                return number
            end = start - 1
        return 0

    def rows(self) -> Iterator[NumberedRow]:
        """See `Block`.

        Raises:
            DatasetRejected: a line is no object in strict JSON.
        """
        for number, line in enumerate(self.lines.decode().split("\n"), start=self.first_line):
            if line and not line.isspace():
                yield number, _as_row(self, number, self._value(line, number))

    def _value(self, line: str, number: int) -> Any:
        try:
            return _parse(line)
        except json.JSONDecodeError as error:
            raise _not_json(self, error, row=number, line=number, column=error.colno) from error
        except (ValueError, RecursionError) as error:
            raise self.rejected(_refusal(error), at=f"row {number}", hint=_STRICT) from error


def read_json_lines(file: DataFile) -> Iterator[JsonLines]:
    """One object a line, numbered by line; blank lines are no rows."""
    return _json_lines(file, utf8_chunks(file))


def read_json(file: DataFile) -> Iterator[NumberedRow]:
    """The elements of a list, or of the only list in an object, numbered from 1.

    JSON Lines are often saved under this ending too, and are read as such.
    """
    text = _Window(file)
    if text.peek() != "{":
        yield from _elements(text)
    elif text.is_json_lines():
        for block in _json_lines(file, map(str.encode, text.rest())):
            yield from block.rows()
    else:
        yield from _only_list(text)
    if text.peek():
        raise text.malformed("expected the end of the file")


def _json_lines(file: DataFile, chunks: Iterable[bytes]) -> Iterator[JsonLines]:
    for first_line, num_lines, lines in split_blocks(file, chunks):
        yield JsonLines(file.name, first_line, num_lines, lines)


def _parse(line: str) -> Any:
    """As the decoder's `decode`, but a quarter faster where there is no space around the value."""
    try:
        value, end = _DECODER.raw_decode(line)
    except json.JSONDecodeError:
        value, end = None, -1
    return value if end == len(line) else _DECODER.decode(line)


def _elements(text: "_Window") -> Iterator[NumberedRow]:
    """The elements of the list that begins here; an error belongs to the next one."""
    if not text.peek():
        return
    text.take("[", else_expected="a list of objects")
    text.row = 1
    if text.peek() == "]":
        text.take("]")
        return
    while True:
        yield text.row, _as_row(text.file, text.row, text.value())
        text.row += 1
        if text.peek() == "]":
            text.take("]")
            return
        text.take(",", else_expected="',' or ']'")


def _only_list(text: "_Window") -> Iterator[NumberedRow]:
    """The rows of `{"data": [...]}`, whatever the key and whatever stands beside it."""
    text.take("{")
    keys: set[str] = set()
    lists: list[str] = []
    while text.peek() != "}":
        if keys:
            text.take(",", else_expected="',' or '}'")
        if text.peek() != '"':
            raise text.malformed("expected a key in double quotes")
        key = cast(str, text.value())
        if key in keys:
            raise text.rejected(f"the key {one_line(key)!r} is given twice", hint=_STRICT)
        keys.add(key)
        text.take(":", else_expected="':'")
        if text.peek() != "[":
            text.value()
            continue
        lists.append(one_line(key))
        if len(lists) > 1:
            break
        yield from _elements(text)
    if len(lists) != 1:
        found = f"at least two: {', '.join(lists)}" if lists else "none"
        raise text.rejected(
            f"an object with one list is needed, this one has {found}",
            hint="write the rows as a list: [{...}, {...}]",
        )
    text.take("}")


class _Window:
    """The part of a file's text that is being parsed, and where in the file that is."""

    def __init__(self, file: DataFile) -> None:
        self.file = file
        self.row = 1
        self._chunks = text_chunks(file)
        self._text = ""
        self._position = 0
        self._num_dropped = 0  # characters of the file before the window
        self._line, self._column = 1, 1  # of the window's first character

    def peek(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            if found := _NOT_SPACE.search(self._text, self._position):
                self._position = found.start()
                return found.group()
            self._position = len(self._text)
            if not self._grow():
                return ""

    def take(self, character: str, *, else_expected: str = "") -> None:
        """Go past `character`, which must be the next one."""
        if self.peek() != character:
            raise self.malformed(f"expected {else_expected or repr(character)}")
        self._position += 1

    def value(self) -> Any:
        """The value that begins at the next character."""
        self.peek()
        previous: tuple[str, int] | None = None
        while True:
            try:
                value, self._position = _DECODER.raw_decode(self._text, self._position)
                return value
            except json.JSONDecodeError as error:
                # Either the text goes on beyond the window, or it is malformed. An error that stays
                # where it is when more text comes is real, unless it says that a string never ends.
                place = (error.msg, self._num_dropped + error.pos)
                is_open = error.msg.startswith("Unterminated")
                if (place == previous and not is_open) or not self._grow():
                    self._position = place[1] - self._num_dropped
                    raise self.malformed(error.msg) from error
                previous = place
            except (ValueError, RecursionError) as error:
                raise self.rejected(_refusal(error), hint=_STRICT) from error
            if len(self._text) > MAX_ROW_CHARACTERS:
                hint = "split it, or look for a quote or bracket that is not closed"
                raise self.file.row_too_long(f"row {self.row}", hint=hint)

    def is_json_lines(self) -> bool:
        """Whether the first line is an object of its own, and another object follows."""
        line, _, rest = self._text.partition("\n")
        try:
            return isinstance(_DECODER.decode(line), dict) and rest.lstrip().startswith("{")
        except (ValueError, RecursionError):
            return False

    def rest(self) -> Iterator[str]:
        """Everything from the start, for another reader; nothing remains."""
        head, self._text, self._position = self._text, "", 0
        return chain([head], self._chunks)

    def rejected(self, problem: str, *, hint: str = "") -> DatasetRejected:
        """The error for the row that is being read."""
        return self.file.rejected(problem, at=f"row {self.row}", hint=hint)

    def malformed(self, message: str) -> DatasetRejected:
        """The error for text that is no JSON at the next character."""
        line, column = self._place(self._position)
        error = json.JSONDecodeError(message, "", 0)
        return _not_json(self.file, error, row=self.row, line=line, column=column)

    def _grow(self) -> bool:
        """Drop what was read and at least double what was not; False at the end of the file.

        Doubling keeps the cost of parsing a long value anew in proportion to its length.
        """
        self._line, self._column = self._place(self._position)
        self._num_dropped += self._position
        parts = [self._text[self._position :]]
        self._text, self._position = "", 0
        wanted, num_added = len(parts[0]), 0
        for chunk in self._chunks:
            parts.append(chunk)
            num_added += len(chunk)
            if num_added > wanted:
                break
        self._text = "".join(parts)
        return num_added > 0

    def _place(self, position: int) -> tuple[int, int]:
        """Line and column in the file of a position in the window."""
        num_newlines = self._text.count("\n", 0, position)
        if not num_newlines:
            return self._line, self._column + position
        return self._line + num_newlines, position - self._text.rindex("\n", 0, position)


# --- strictness ------------------------------------------------------------------------------


def _as_row(file: Named, number: int, value: Any) -> Row:
    if not isinstance(value, dict):
        shown = "a list" if isinstance(value, list) else one_line(json.dumps(value), longest=40)
        raise file.rejected(
            f"an object is needed, this is {shown}",
            at=f"row {number}",
            hint='write every row as {"column": value, ...}',
        )
    row = cast(Row, value)
    columns = "".join(row)
    if not columns.isascii():
        try:
            columns.encode()
        except UnicodeEncodeError as error:
            raise file.rejected(
                "a key has half of a surrogate pair, which is no character",
                at=f"row {number}",
                hint="rename the key",
            ) from error
    return row


def _not_json(
    file: Named, error: json.JSONDecodeError, *, row: int, line: int, column: int
) -> DatasetRejected:
    return file.rejected(
        f"not valid JSON: {error.msg}",
        at=f"row {row}, line {line}, column {column}",
        hint="look at the quotes, commas and brackets there",
    )


def _refusal(error: Exception) -> str:
    """What is wrong with JSON that Python can or could read."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if str(error).startswith("Exceeds the limit"):
        return "a number has more than 4300 digits"
    return str(error)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {one_line(twice)!r} is given twice")
    return row


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"the number {one_line(number, longest=20)} is too large")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant, parse_float=_finite
)
_STRICT = "write strict JSON: each key once, finite numbers, few levels"
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
