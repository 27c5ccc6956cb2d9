"""Parquet as rows, in portions small enough for texts that are stored once and repeated."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.data.sources.datafile import (
    MAX_ROW_CHARACTERS,
    DataFile,
    NumberedRow,
    one_line,
)
from tunesmith.data.sources.unpacking import Budget, random_access

_MAX_ROWS_AT_ONCE = 8192
_BYTES_AT_ONCE = 4 * MAX_ROW_CHARACTERS  # one row may be as large as in the other kinds
_BUFFER_BYTES = 1 << 20
_MAX_ROWS_PER_BYTE = 10  # equal values are packed so that a kilobyte may claim a billion rows
_MANY_ROWS = 1_000_000


def read_parquet(file: DataFile) -> Iterator[NumberedRow]:
    """Rows in order, numbered from 1."""
    with closing(random_access(file)) as content:
        budget = Budget(file.name, content.seek(0, 2))
        number = 0
        try:
            table = _open_table(content)
            _check(file, table, size=content.seek(0, 2))
            for batch in _batches(table, content):
                num_bytes = _unpacked_bytes(batch)
                budget.spend(num_bytes)
                if num_bytes > _BYTES_AT_ONCE and batch.num_rows == 1:
                    raise file.row_too_long(f"row {number + 1}", hint="split it")
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowException, OSError, ValueError) as error:
            raise file.rejected(
                f"not a valid Parquet file: {one_line(error)}", hint="write or copy the file again"
            ) from error


def _open_table(content: BinaryIO, *, read_dictionary: Sequence[str] = ()) -> pq.ParquetFile:
    return pq.ParquetFile(
        content,
        read_dictionary=read_dictionary,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
    )


def _check(file: DataFile, table: pq.ParquetFile, *, size: int) -> None:
    """Refuse what the metadata alone shows to be wrong.

    Raises:
        DatasetRejected: a column is there twice, or there are more rows than a file can hold.
    """
    names = table.schema_arrow.names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise file.rejected(f"the column {one_line(twice)!r} is there twice", hint="rename one")
    num_rows = table.metadata.num_rows
    if num_rows > max(_MANY_ROWS, _MAX_ROWS_PER_BYTE * size):
        raise file.rejected(f"claims {num_rows:,} rows in {size:,} bytes", hint="check the file")
    for index in range(table.num_row_groups):
        for column in _columns(table.metadata.row_group(index)):
            # Pages of this encoding repeat prefixes, and one row may hold any number of values.
            if "DELTA_BYTE_ARRAY" in column.encodings and "." in column.path_in_schema:
                raise file.rejected(
                    f"the column {one_line(column.path_in_schema)!r} has the encoding "
                    f"DELTA_BYTE_ARRAY inside a list or group, which is not read",
                    hint="write the file with another encoding",
                )


def _batches(table: pq.ParquetFile, content: BinaryIO) -> Iterator[pa.RecordBatch]:
    """Rows in batches that fit in memory once they are unpacked, or of one row that does not.

    In them, texts that might not fit are still references to a dictionary.
    """
    groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
    repeating = {column for group in groups for column in _repeating_columns(group, content)}
    packed = _open_table(content, read_dictionary=sorted(repeating))
    for index, group in enumerate(groups):
        num_at_once = _num_rows_at_once(group)
        for batch in packed.iter_batches(num_at_once, row_groups=[index], use_threads=False):
            yield from _halved(batch)


def _columns(group: pq.RowGroupMetaData) -> Iterator[pq.ColumnChunkMetaData]:
    return (group.column(index) for index in range(group.num_columns))


def _repeating_columns(group: pq.RowGroupMetaData, content: BinaryIO) -> Iterator[str]:
    """Columns that would not fit in memory if each text were the longest of its dictionary."""
    for column in _columns(group):
        if column.physical_type == "BYTE_ARRAY" and column.has_dictionary_page:
            longest = _page_bytes(content, column.dictionary_page_offset)
            if longest * column.num_values > _BYTES_AT_ONCE:
                yield column.path_in_schema


def _num_rows_at_once(group: pq.RowGroupMetaData) -> int:
    """How many rows fit in memory as they are stored."""
    row_bytes = 1
    for column in _columns(group):
        # Each text may repeat nearly all of the one before it, or stand for itself.
        shares = "DELTA_BYTE_ARRAY" in column.encodings
        row_bytes += column.total_uncompressed_size // (1 if shares else max(1, group.num_rows))
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


# --- unpacking -------------------------------------------------------------------------------


def _halved(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 1 or _unpacked_bytes(batch) <= _BYTES_AT_ONCE:
        yield batch
    else:
        half = batch.num_rows // 2
        yield from _halved(batch.slice(0, half))
        yield from _halved(batch.slice(half))


def _unpacked_bytes(batch: pa.RecordBatch) -> int:
    return sum(_array_bytes(column) for column in batch.columns)


def _array_bytes(array: Any) -> int:
    """Bytes of the values of `array`, each counted where it stands."""
    if pa.types.is_struct(array.type):
        return sum(_array_bytes(field) for field in array.flatten())
    if pa.types.is_map(array.type):
        first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return _array_bytes(array.values.slice(first, last - first))
    if pa.types.is_nested(array.type):
        return _array_bytes(array.flatten())
    if pa.types.is_dictionary(array.type):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return pc.sum(lengths).as_py() or 0
    return array.nbytes
