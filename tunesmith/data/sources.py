"""Files as rows: a row number as the user would count it, and a dictionary."""

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias, cast

from tunesmith.errors import DatasetRejected, NotFound

Row: TypeAlias = dict[str, Any]
NumberedRow: TypeAlias = tuple[int, Row]

_MAX_CSV_FIELD_CHARACTERS = 100_000_000  # the csv module's own limit is below a long article


def read_rows(path: Path) -> Iterator[NumberedRow]:
    """Stream the rows of `path` with their numbers, from 1.

    The number is the line in JSON Lines and text files, the record below the header in CSV, and the
    element in a JSON list. A text file is one passage a line; blank lines are no rows.

    Raises:
        NotFound: there is no such file.
        DatasetRejected: the file is empty, of an unknown kind, not UTF-8, or malformed; the message
            names the row, and for JSON line and column.
    """
    if not path.exists():
        raise NotFound(f"there is no file {path}", hint="check the path")
    if not path.is_file():
        raise NotFound(f"{path} is not a file", hint="import one file at a time")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DatasetRejected(
            f"{path.name}: files of kind {path.suffix!r} are not read",
            hint=f"there are: {', '.join(READERS)}",
        )
    is_empty = True
    for row in reader(path):
        is_empty = False
        yield row
    if is_empty:
        raise DatasetRejected(f"{path.name} is empty", hint="choose a file with at least one row")


def _read_json_lines(path: Path) -> Iterator[NumberedRow]:
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            value = _DECODER.decode(line)
        except (ValueError, RecursionError) as error:
            raise _malformed(path, number, error, first_line=number) from error
        yield number, _as_row(path, number, value)


def _read_json(path: Path) -> Iterator[NumberedRow]:
    """The whole file is held in memory; JSON Lines is the format for what is larger."""
    text = "".join(line for _, line in _lines(path))
    number = 0
    try:
        for number, value in enumerate(_elements(text), start=1):
            yield number, _as_row(path, number, value)
    except (ValueError, RecursionError) as error:
        raise _malformed(path, number + 1, error, first_line=1) from error


def _elements(text: str) -> Iterator[Any]:
    """The elements of a JSON list, parsed one by one, so that an error belongs to the next one."""
    position = _skip_space(text, 0)
    if text.startswith("{", position):
        yield from _only_list(_DECODER.decode(text))
        return
    separator = "["
    while text.startswith(separator, position):
        position = _skip_space(text, position + 1)
        if separator == "[" and text.startswith("]", position):
            break
        element, position = _DECODER.raw_decode(text, position)
        yield element
        position = _skip_space(text, position)
        separator = ","
    if text.strip() and text[position:].strip() != "]":
        expected = "a list of objects" if separator == "[" else "',' or ']'"
        raise json.JSONDecodeError(f"expected {expected}", text, position)


def _skip_space(text: str, position: int) -> int:
    found = _NOT_SPACE.search(text, position)
    return found.start() if found else len(text)


def _only_list(value: Row) -> list[Any]:
    """The rows of `{"data": [...]}`, whatever the key."""
    lists = [cast(list[Any], each) for each in value.values() if isinstance(each, list)]
    if len(lists) != 1:
        raise ValueError(f"an object with one list is needed, this one has {len(lists)}")
    return lists[0]


def _read_csv(path: Path) -> Iterator[NumberedRow]:
    csv.field_size_limit(_MAX_CSV_FIELD_CHARACTERS)
    records = csv.reader((line for _, line in _lines(path)), strict=True)
    number = 0
    try:
        header: list[str] = next(records, list[str]())
        if len(set(header)) != len(header):
            raise DatasetRejected(
                f"{path.name}: the header names a column twice: {', '.join(header)}"
            )
        for number, record in enumerate((each for each in records if each), start=1):
            if len(record) != len(header):
                raise DatasetRejected(
                    f"{path.name}, row {number}: {len(record)} fields for {len(header)} columns",
                    hint="quote fields that contain commas or line breaks",
                )
            yield number, dict(zip(header, record, strict=True))
    except csv.Error as error:
        raise DatasetRejected(
            f"{path.name}, row {number + 1}, line {records.line_num}: not valid CSV: {error}",
            hint='write a quote inside a quoted field twice: ""',
        ) from error


def _read_text(path: Path) -> Iterator[NumberedRow]:
    for number, line in _lines(path):
        if line.strip():
            yield number, {"text": line.rstrip("\r\n")}


READERS: Mapping[str, Callable[[Path], Iterator[NumberedRow]]] = {
    ".json": _read_json,
    ".jsonl": _read_json_lines,
    ".csv": _read_csv,
    ".txt": _read_text,
    ".md": _read_text,
}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines with their ends, numbered from 1, without a byte order mark."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DatasetRejected(
                    f"{path.name}, line {number}: not UTF-8 text (at byte {error.start + 1})",
                    hint="save the file as UTF-8",
                ) from error


def _as_row(path: Path, number: int, value: Any) -> Row:
    if not isinstance(value, dict):
        raise DatasetRejected(
            f"{path.name}, row {number}: an object is needed, this is {json.dumps(value)[:40]}"
        )
    return cast(Row, value)


def _malformed(path: Path, number: int, error: Exception, *, first_line: int) -> DatasetRejected:
    where = f"{path.name}, row {number}"
    if isinstance(error, json.JSONDecodeError):
        line = first_line + error.lineno - 1
        reason = f"line {line}, column {error.colno}: not valid JSON: {error.msg}"
        return DatasetRejected(f"{where}, {reason}")
    if isinstance(error, RecursionError):
        return DatasetRejected(f"{where}: nested too deeply")
    return DatasetRejected(f"{where}: {error}")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Row:
    row: Row = {}
    for key, value in pairs:
        if key in row:
            raise ValueError(f"the key {key!r} is given twice")
        row[key] = value
    return row


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
_NOT_SPACE = re.compile(r"[^ \t\r\n]")
