"""A look into a source before it is imported: how it would be read, and what would be refused."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tunesmith.data.export import as_record
from tunesmith.data.formats import FORMATS, Detection, RowRejected, rename
from tunesmith.data.reading import path_in_file
from tunesmith.data.recognise import first_numbered_rows, recognise_rows
from tunesmith.data.sources import DataFile, NumberedRow, Row, read_rows
from tunesmith.errors import DatasetRejected
from tunesmith.schema import choose

_NUM_SHOWN = 10
_SHOWN_CHARACTERS = 300
_MAX_CHARACTERS = 4_000_000  # read at most, but for the last row


@dataclass(frozen=True)
class PeekedRow:
    """A row as it is in the file, and what an import would make of it.

    Attributes:
        row: its number in the file.
        values: the beginning of each value as text, by column.
        example: what it becomes; None where it becomes none.
        field: then, the path of the value that stands in the way.
        reason: and what is wrong with that.
    """

    row: int
    values: dict[str, str]
    example: dict[str, Any] | None
    field: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Peek:
    """The beginning of a source.

    Attributes:
        kind: of file, such as `.jsonl`.
        compression: `gzip`, `zstd`, `zip`, or nothing.
        encoding: of its text so far; nothing for binary kinds.
        columns: of its first rows.
        format: in which they are read; None where no format fits.
        evidence: by what the format was recognised.
        rows: the first of them.
        problem: why the source, or these rows of it, cannot be read like that; mostly nothing.
        hint: what to do about it.
    """

    kind: str = ""
    compression: str = ""
    encoding: str = ""
    columns: tuple[str, ...] = ()
    format: str | None = None
    evidence: str = ""
    rows: tuple[PeekedRow, ...] = ()
    problem: str = ""
    hint: str = ""


def peek(source: Path, *, format: str | None, mapping: Mapping[str, str]) -> Peek:
    """Look into the first rows of `source`, read as `format` under `mapping`.

    Raises:
        NotFound: there is no such file or format.
    """
    if format is not None:
        choose(FORMATS, format, what="format")
    try:
        file, sample = _sample(source)
    except DatasetRejected as error:
        return Peek(problem=error.message, hint=error.hint)
    rows = [row for _, row in sample]
    try:
        found = recognise_rows(rows, format=format, mapping=mapping)
    except DatasetRejected as error:
        shown = [PeekedRow(number, _shown(row), None) for number, row in sample[:_NUM_SHOWN]]
        return _peek(file, sample, None, shown, problem=error.message, hint=error.hint)
    read = [_read(number, row, found.format, mapping) for number, row in sample[:_NUM_SHOWN]]
    return _peek(file, sample, found, read)


def _sample(source: Path) -> tuple[DataFile, list[NumberedRow]]:
    """The first rows, and the first file that they are from."""
    files: list[DataFile] = []
    rows = read_rows(source, on_file=lambda _, file: files.append(file))
    with closing(rows):
        sample = first_numbered_rows(rows, max_characters=_MAX_CHARACTERS)
    return files[0], sample


def _read(number: int, row: Row, format: str, mapping: Mapping[str, str]) -> PeekedRow:
    try:
        example = as_record(FORMATS[format].read(rename(row, mapping)))
    except RowRejected as error:
        field = path_in_file(error.field, mapping)
        return PeekedRow(number, _shown(row), None, field, error.reason)
    return PeekedRow(number, _shown(row), example)


def _shown(row: Row) -> dict[str, str]:
    return {column: _beginning(value) for column, value in row.items()}


def _beginning(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def _peek(
    file: DataFile,
    sample: list[NumberedRow],
    found: Detection | None,
    rows: list[PeekedRow],
    *,
    problem: str = "",
    hint: str = "",
) -> Peek:
    return Peek(
        kind=file.kind,
        compression=file.compression,
        encoding=file.encoding,
        columns=tuple(dict.fromkeys(chain.from_iterable(row for _, row in sample))),
        format=found.format if found else None,
        evidence=found.evidence if found else "",
        rows=tuple(rows),
        problem=problem,
        hint=hint,
    )
