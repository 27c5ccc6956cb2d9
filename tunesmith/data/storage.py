"""Examples in a Parquet file, written and read as a stream."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.text.conversation import Conversation, Example, Message, Passage

NumberedExample: TypeAlias = tuple[int, Example]

BATCH_SIZE = 1000  # examples in memory at a time, and in a Parquet row group

_SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "kind": pa.string(),
        "messages": pa.list_(pa.struct({"role": pa.string(), "content": pa.string()})),
        "text": pa.string(),
    }
)

T = TypeVar("T")


def write_examples(path: Path, examples: Iterable[NumberedExample]) -> None:
    """Write examples with their source rows, holding one batch in memory."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for batch in in_batches(examples):
            records = [_record(row, example) for row, example in batch]
            writer.write_table(pa.Table.from_pylist(records, schema=_SCHEMA))


def stream_examples(path: Path) -> Iterator[NumberedExample]:
    """Read back what `write_examples` wrote."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(BATCH_SIZE):
            for record in batch.to_pylist():
                yield record["row"], _example(record)


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists of `BATCH_SIZE` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH_SIZE)):
        yield batch


def _record(row: int, example: Example) -> dict[str, Any]:
    if isinstance(example, Passage):
        return {"row": row, "kind": "passage", "text": example.text}
    messages = [{"role": each.role, "content": each.content} for each in example.messages]
    return {"row": row, "kind": "conversation", "messages": messages}


def _example(record: dict[str, Any]) -> Example:
    if record["kind"] == "passage":
        return Passage(record["text"])
    return Conversation(tuple(Message(**each) for each in record["messages"]))
