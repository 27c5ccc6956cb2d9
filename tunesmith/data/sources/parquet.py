"""Parquet as rows, in batches small enough for texts that are stored once and repeated."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false

from collections.abc import Iterator
from contextlib import closing
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.data.sources.datafile import DataFile, NumberedRow, one_line
from tunesmith.data.sources.unpacking import Budget, random_access

_MAX_ROWS_AT_ONCE = 1024
_BYTES_AT_ONCE = 64_000_000
_BUFFER_BYTES = 1 << 20
_MAX_ROWS_PER_BYTE = 10  # equal values are packed so that a kilobyte may claim a billion rows
_MANY_ROWS = 1_000_000


def read_parquet(file: DataFile) -> Iterator[NumberedRow]:
    """Rows in order, numbered from 1."""
    with closing(random_access(file)) as content:
        budget = Budget(file.name, content.seek(0, 2))
        number = 0
        try:
            for batch in _batches(file, content):
                budget.spend(batch.nbytes)
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError, ValueError) as error:
            raise file.rejected(
                f"not a valid Parquet file: {one_line(error)}", hint="write or copy the file again"
            ) from error


def _batches(file: DataFile, content: BinaryIO) -> Iterator[pa.RecordBatch]:
    table = pq.ParquetFile(
        content, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
    )
    names = table.schema_arrow.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise file.rejected(f"the column {one_line(twice)!r} is there twice", hint="rename one")
    size, num_rows = content.seek(0, 2), table.metadata.num_rows
    if num_rows > max(_MANY_ROWS, _MAX_ROWS_PER_BYTE * size):
        raise file.rejected(f"claims {num_rows:,} rows in {size:,} bytes", hint="check the file")
    for index in range(table.num_row_groups):
        num_at_once = _num_rows_at_once(table.metadata.row_group(index), content)
        yield from table.iter_batches(num_at_once, row_groups=[index], use_threads=False)


def _num_rows_at_once(group: pq.RowGroupMetaData, content: BinaryIO) -> int:
    """How many rows surely fit in memory: each may repeat the longest text of a dictionary."""
    row_bytes = 1
    for index in range(group.num_columns):
        column = group.column(index)
        mean_bytes = column.total_uncompressed_size // max(1, group.num_rows)
        longest_bytes = 0
        if column.has_dictionary_page and column.physical_type == "BYTE_ARRAY":
            longest_bytes = _page_bytes(content, column.dictionary_page_offset)
        row_bytes += max(mean_bytes, longest_bytes)
    return max(1, min(_MAX_ROWS_AT_ONCE, _BYTES_AT_ONCE // row_bytes))


def _page_bytes(content: BinaryIO, offset: int) -> int:
    """The unpacked size of the page at `offset`: the second number of its header, in Thrift."""
    content.seek(offset)
    header = iter(content.read(16))
    value = 0
    for _ in range(2):  # the type of the page comes first
        next(header, 0)
        value = shift = 0
        for byte in header:
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
    return value >> 1  # zigzag
