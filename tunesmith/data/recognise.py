"""In which format a source is written."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from tunesmith.data.formats import Detection, check_mapping, detect, rename
from tunesmith.data.sources import NumberedRow, Row, read_files
from tunesmith.errors import DatasetRejected

_NUM_SAMPLED_ROWS = 100
_MAX_SAMPLED_CHARACTERS = 64_000_000


def recognise(source: Path, *, format: str | None, mapping: Mapping[str, str]) -> Detection:
    """The format of every file of `source`: `format`, or what the first rows of each show.

    Raises:
        DatasetRejected: a file has no format or another one than the files before it, or lacks a
            column of `mapping`; the message names it.
    """
    recognised: Detection | None = None
    for name, rows in read_files(source):
        sample = first_rows(rows)
        if not sample:
            continue
        try:
            found = recognise_rows(sample, format=format, mapping=mapping)
        except DatasetRejected as error:
            raise DatasetRejected(f"{name}: {error.message}", hint=error.hint) from error
        recognised = recognised or found
        if found.format != recognised.format:
            raise DatasetRejected(
                f"{name} has the format {found.format}, the files before it {recognised.format}",
                hint="import it on its own, or choose one --format for all",
            )
    # Reading refuses a source without a row.
    return recognised or Detection("text", "there are no rows")


def recognise_rows(
    sample: Sequence[Row], *, format: str | None, mapping: Mapping[str, str]
) -> Detection:
    """The format of the first rows of a file: `format`, or what they show.

    Raises:
        DatasetRejected: they show none, or lack a column of `mapping`.
    """
    check_mapping(mapping, columns={column for row in sample for column in row})
    if format is not None:
        return Detection(format, "as given")
    return detect([rename(row, mapping) for row in sample])


def first_rows(rows: Iterator[NumberedRow]) -> list[Row]:
    """Enough rows to recognise a format by, and not so many that huge ones fill the memory."""
    return [row for _, row in first_numbered_rows(rows)]


def first_numbered_rows(
    rows: Iterator[NumberedRow], *, max_characters: int = _MAX_SAMPLED_CHARACTERS
) -> list[NumberedRow]:
    """The same with their numbers; the last one may lead beyond `max_characters`."""
    sample: list[NumberedRow] = []
    num_characters = 0
    for number, row in islice(rows, _NUM_SAMPLED_ROWS):
        sample.append((number, row))
        num_characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if num_characters > max_characters:
            break
    return sample
