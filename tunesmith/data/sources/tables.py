"""CSV and TSV as rows: text in every cell, under the names of a header."""

import csv
from collections.abc import Iterator, Sequence

from tunesmith.data.sources.datafile import MAX_ROW_CHARACTERS, DataFile, NumberedRow, one_line
from tunesmith.data.sources.text import read_lines


def read_csv(file: DataFile) -> Iterator[NumberedRow]:
    """Records below the header, numbered from 1; blank lines are no records."""
    return _delimited(file, ",")


def read_tsv(file: DataFile) -> Iterator[NumberedRow]:
    """As CSV, with tabs."""
    return _delimited(file, "\t")


def _delimited(file: DataFile, delimiter: str) -> Iterator[NumberedRow]:
    csv.field_size_limit(2 * MAX_ROW_CHARACTERS)  # the csv module's own is below a long article
    lines = _Lines(file)
    records = csv.reader(lines, delimiter=delimiter, strict=True)
    header: list[str] = []
    try:
        for record in records:
            if record and not header:
                check_header(file, record)
                header = record
            elif record:
                lines.row += 1
                if len(record) != len(header):
                    raise file.rejected(
                        f"{len(record)} fields for {len(header)} columns",
                        at=f"row {lines.row}, line {lines.first}",
                        hint="quote fields that hold a delimiter or a line break",
                    )
                yield lines.row, dict(zip(header, record, strict=True))
            lines.start_record()
    except csv.Error as error:
        what = "TSV" if delimiter == "\t" else "CSV"
        raise file.rejected(
            f"not valid {what}: {error}".replace("\t", "\\t"),
            at=f"row {lines.row + 1}, line {lines.first}",
            hint='close every quote; write a quote inside a quoted field twice: ""',
        ) from error


class _Lines:
    """Lines for the csv module, and on which of them the record that is being read began."""

    def __init__(self, file: DataFile) -> None:
        self.row = 0
        self.first = 1
        self._file = file
        self._lines = read_lines(file)
        self._number = 0
        self._num_characters = 0

    def __iter__(self) -> Iterator[str]:
        for number, line in self._lines:
            self._number = number
            self._num_characters += len(line)
            if self._num_characters > MAX_ROW_CHARACTERS:
                hint = f"look for a quote that is not closed, from line {self.first} on"
                raise self._file.row_too_long(f"row {self.row + 1}", hint=hint)
            yield line + "\n"

    def start_record(self) -> None:
        self.first = self._number + 1
        self._num_characters = 0


def check_header(file: DataFile, header: Sequence[str]) -> None:
    """Refuse a header that names a column twice, which would lose one of the two.

    Raises:
        DatasetRejected: it does.
    """
    seen: set[str] = set()
    for column in header:
        if column in seen:
            raise file.rejected(
                f"the header names the column {one_line(column)!r} twice",
                hint="rename one of the two, or add a header if there is none",
            )
        seen.add(column)
