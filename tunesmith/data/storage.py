"""Examples in a Parquet file, written and read as a stream."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.text.conversation import (
    Classified,
    Conversation,
    Example,
    Message,
    Passage,
    Preference,
)

NumberedExample: TypeAlias = tuple[int, Example]

BATCH_SIZE = 1000  # examples in memory at a time, and in a Parquet row group

_MESSAGE_FIELDS = ("role", "content", "tool_calls", "tool_call_id", "name")
_MESSAGES = pa.list_(pa.struct(dict.fromkeys(_MESSAGE_FIELDS, pa.string())))

# A field that is empty in an example is null here. Files written before a column existed lack it,
# which reads as null too.
_SCHEMA = pa.schema(
    {
        "row": pa.int64(),
        "kind": pa.string(),
        "messages": _MESSAGES,
        "text": pa.string(),
        "tools": pa.string(),
        "label": pa.string(),
        "chosen": _MESSAGES,
        "rejected": _MESSAGES,
    }
)

T = TypeVar("T")


def write_examples(path: Path, examples: Iterable[NumberedExample]) -> None:
    """Write examples with their source rows, holding one batch in memory."""
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        for batch in in_batches(examples):
            records = [{"row": row, **_record(example)} for row, example in batch]
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


def _record(example: Example) -> dict[str, Any]:
    match example:
        case Passage(text):
            return {"kind": "passage", "text": text}
        case Classified(text, label):
            return {"kind": "classified", "text": text, "label": label}
        case Conversation(messages, tools):
            return {"kind": "conversation", "messages": _turns(messages), "tools": tools or None}
        case Preference(prompt, chosen, rejected, tools):
            return {
                "kind": "preference",
                "messages": _turns(prompt),
                "chosen": _turns(chosen),
                "rejected": _turns(rejected),
                "tools": tools or None,
            }


def _example(record: dict[str, Any]) -> Example:
    match record["kind"]:
        case "passage":
            return Passage(record["text"])
        case "classified":
            return Classified(record["text"], record["label"])
        case "preference":
            sides = (_messages(record[side]) for side in ("messages", "chosen", "rejected"))
            return Preference(*sides, tools=record["tools"] or "")
        case _:
            return Conversation(_messages(record["messages"]), record.get("tools") or "")


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [
        {
            "role": each.role,
            "content": each.content,
            "tool_calls": each.tool_calls or None,
            "tool_call_id": each.tool_call_id or None,
            "name": each.name or None,
        }
        for each in messages
    ]


def _messages(turns: Sequence[dict[str, Any]]) -> tuple[Message, ...]:
    return tuple(
        Message(
            turn["role"],
            turn["content"],
            turn.get("tool_calls") or "",
            turn.get("tool_call_id") or "",
            turn.get("name") or "",
        )
        for turn in turns
    )
