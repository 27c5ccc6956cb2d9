"""Files as rows: a row number as the user would count it, and a dictionary.

- `fetching` makes a local file or folder of an address, by `web` (guarded HTTP), `hub` or `stores`.
- `unpacking` makes files of a path, unpacked while they are read; `folders` says which.
- `text` makes text of bytes: encodings, line ends, lines.
- `json_rows`, `tables`, `excel` and `parquet` make rows of a file.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tunesmith.data.sources.datafile import Block, DataFile, NumberedRow, Row
from tunesmith.data.sources.excel import read_xlsx
from tunesmith.data.sources.folders import choose_in_folder
from tunesmith.data.sources.json_rows import JsonLines, read_json, read_json_lines
from tunesmith.data.sources.parquet import read_parquet
from tunesmith.data.sources.tables import read_csv, read_tsv
from tunesmith.data.sources.text import read_passages
from tunesmith.data.sources.unpacking import data_files, left_out
from tunesmith.errors import DatasetRejected, NotFound

__all__ = [
    "READERS",
    "Block",
    "DataFile",
    "JsonLines",
    "NumberedRow",
    "Row",
    "files_left_out",
    "read_blocks",
    "read_files",
    "read_rows",
    "stored_files",
]

READERS: Mapping[str, Callable[[DataFile], Iterator[NumberedRow] | Iterator[JsonLines]]] = {
    ".json": read_json,
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".xlsx": read_xlsx,
    ".parquet": read_parquet,
    ".txt": read_passages,
    ".md": read_passages,
}
_BLOCK_SIZE = 1000  # rows


def read_rows(
    path: Path, *, on_file: Callable[[int, DataFile], None] = lambda num_before, file: None
) -> Generator[NumberedRow]:
    """Stream the rows of `path` with their numbers, from 1, as `read_blocks` has them.

    Raises:
        NotFound: as `read_blocks`.
        DatasetRejected: as `read_blocks`.
    """
    for offset, block in read_blocks(path, on_file=on_file):
        for number, row in block.rows():
            yield offset + number, row


def read_blocks(
    path: Path, *, on_file: Callable[[int, DataFile], None] = lambda num_before, file: None
) -> Iterator[tuple[int, Block]]:
    """Stream the rows of `path` in blocks, with what is to be added to the numbers in each.

    The rows of a block must be read before the next block is asked for, unless it is `JsonLines`.

    The number is the line in JSON Lines and text files, the record below the header in CSV and TSV,
    the row of the sheet in Excel, and the element in a JSON list. A text file is one passage a
    line; blank lines are no rows. The files of a folder or .zip are read in the order of their
    names and numbered on, but a message names one of them and the row in it.

    Args:
        path: a file, a folder of files, or a .zip of them.
        on_file: called before each file with the last number before it, and the file.

    Raises:
        NotFound: there is no such file.
        DatasetRejected: the file is empty, of an unknown kind or encoding, malformed or too large;
            the message names the row, and for text the line.
    """
    offset = 0
    with closing(_files(path)) as files:
        for file in files:
            on_file(offset, file)
            last_row = 0
            for block in _blocks(file):
                yield offset, block
                last_row = block.last_row or last_row
            offset += last_row
    if offset == 0:
        raise DatasetRejected(f"{path.name} is empty", hint="choose a file with at least one row")


def read_files(path: Path) -> Generator[tuple[str, Iterator[NumberedRow]]]:
    """The name and the rows of each file of `path`; they can be read until the next is asked for.

    Raises:
        NotFound: there is no such file.
        DatasetRejected: as `read_rows`.
    """
    with closing(_files(path)) as files:
        for file in files:
            yield file.name, chain.from_iterable(block.rows() for block in _blocks(file))


def stored_files(folder: Path) -> dict[str, Path]:
    """The files of `folder` that are read, by their names below it, in order.

    Raises:
        DatasetRejected: as `read_rows`.
    """
    return {name: folder / name for name in choose_in_folder(folder, kinds=READERS).files}


def files_left_out(path: Path) -> tuple[str, ...]:
    """The files in a folder or .zip that are not read.

    Raises:
        DatasetRejected: as `read_rows`.
    """
    return left_out(path, kinds=READERS)


class _ComingRows:
    """The next thousand rows of a reader, read as they are asked for."""

    def __init__(self, first: NumberedRow, others: Iterator[NumberedRow]) -> None:
        self.last_row = 0
        self._rows = chain([first], islice(others, _BLOCK_SIZE - 1))

    def rows(self) -> Iterator[NumberedRow]:
        for number, row in self._rows:
            self.last_row = number
            yield number, row


def _blocks(file: DataFile) -> Iterator[Block]:
    items: Iterator[Any] = READERS[file.kind](file)
    for item in items:
        yield item if isinstance(item, JsonLines) else _ComingRows(item, items)


def _files(path: Path) -> Generator[DataFile, None, None]:
    try:
        if not path.exists():
            raise NotFound(f"there is no file {path}", hint="check the path")
        if not path.is_file() and not path.is_dir():
            raise NotFound(f"{path} is neither a file nor a folder", hint="import a file")
        yield from data_files(path, kinds=READERS)
    except OSError as error:
        raise DatasetRejected(
            f"{path.name} cannot be read: {error.strerror or error}", hint="check its permissions"
        ) from error
