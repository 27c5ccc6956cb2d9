"""Examples in a Parquet file, written and read as a stream."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false, reportUnknownLambdaType=false

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import accumulate, chain, islice, repeat
from operator import attrgetter
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
Table: TypeAlias = Any
"""A `pyarrow.RecordBatch` of examples with their rows."""
Column: TypeAlias = Any
"""A `pyarrow.Array`."""

BATCH_SIZE = 1000  # examples in memory at a time, and in a Parquet row group

_MESSAGE_FIELDS = tuple(field.name for field in fields(Message))
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
# Texts hardly repeat: a dictionary of them takes a fifth of the time of writing and saves nothing.
_REPEATING = [
    *("kind", "label", "tools"),
    *(f"{column}.list.element.role" for column in ("messages", "chosen", "rejected")),
]

T = TypeVar("T")


def write_examples(path: Path, examples: Iterable[NumberedExample]) -> None:
    """Write examples with their source rows, holding one batch in memory."""
    write_tables(path, map(to_table, in_batches(examples)))


def write_tables(path: Path, tables: Iterable[Table]) -> None:
    """Write what `to_table` made."""
    with pq.ParquetWriter(
        path,
        _SCHEMA,
        compression="zstd",
        use_dictionary=_REPEATING,  # pyright: ignore[reportArgumentType]
        write_statistics=False,
    ) as writer:
        for table in tables:
            writer.write_batch(table)


def stream_examples(path: Path) -> Iterator[NumberedExample]:
    """Read back what `write_examples` wrote."""
    for table in stream_tables(path):
        yield from from_table(table)


def stream_tables(path: Path) -> Iterator[Table]:
    """Read back what `write_tables` wrote."""
    with pq.ParquetFile(path) as file:
        is_complete = file.schema_arrow.names == _SCHEMA.names
        for table in file.iter_batches(BATCH_SIZE):
            yield table if is_complete else to_table(list(from_table(table)))


def read_slice(path: Path, *, skip: int, limit: int) -> list[NumberedExample]:
    """At most `limit` examples behind the first `skip`; row groups before them are not read."""
    found: list[NumberedExample] = []
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            num_rows = file.metadata.row_group(group).num_rows
            if skip >= num_rows:
                skip -= num_rows
                continue
            wanted = file.read_row_group(group).slice(skip, limit - len(found))
            for table in wanted.to_batches():
                found += from_table(table)
            skip = 0
            if len(found) >= limit:
                break
    return found


def in_batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Lists of `BATCH_SIZE` items, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH_SIZE)):
        yield batch


# --- to columns ------------------------------------------------------------------------------


def to_table(examples: Sequence[NumberedExample]) -> Table:
    """Examples with their source rows as columns."""
    rows, kinds, messages, texts, tools, labels, chosen, rejected = (
        zip(*((row, *_record(example)) for row, example in examples), strict=True)
        if examples
        else [()] * len(_SCHEMA)
    )
    return pa.RecordBatch.from_arrays(
        [
            pa.array(rows, pa.int64()),
            pa.array(kinds, pa.string()),
            _turns(messages),
            pa.array(texts, pa.string()),
            pa.array(tools, pa.string()),
            pa.array(labels, pa.string()),
            _turns(chosen),
            _turns(rejected),
        ],
        schema=_SCHEMA,
    )


def conversations_table(rows: Column, offsets: Column, roles: Column, contents: Column) -> Table:
    """As `to_table`, for conversations whose messages have no more than role and content.

    Args:
        rows: of the source.
        offsets: where the messages of each row begin, and where the last ones end.
        roles: of all messages.
        contents: of all messages.
    """
    nothing = pa.nulls(len(roles), pa.string())
    turns = pa.StructArray.from_arrays(
        [roles, contents, *([nothing] * (len(_MESSAGE_FIELDS) - 2))],
        fields=list(_MESSAGES.value_type),
    )
    known = {
        "row": rows,
        "kind": pa.repeat(pa.scalar("conversation"), len(rows)),
        "messages": pa.ListArray.from_arrays(offsets, turns, type=_MESSAGES),
    }
    columns = [known.get(each.name, pa.nulls(len(rows), each.type)) for each in _SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=_SCHEMA)


def _record(example: Example) -> tuple[Any, ...]:
    """Kind, messages, text, tools, label, chosen and rejected."""
    match example:
        case Conversation(messages, tools):
            return ("conversation", messages, None, tools or None, None, None, None)
        case Passage(text):
            return ("passage", None, text, None, None, None, None)
        case Classified(text, label):
            return ("classified", None, text, None, label, None, None)
        case Preference(prompt, chosen, rejected, tools):
            return ("preference", prompt, None, tools or None, None, chosen, rejected)


def _turns(column: Sequence[tuple[Message, ...] | None]) -> Column:
    messages = list(chain.from_iterable(filter(None, column)))
    columns = zip(*map(attrgetter(*_MESSAGE_FIELDS), messages), strict=True)
    roles, contents, *extras = columns if messages else [()] * len(_MESSAGE_FIELDS)
    turns = pa.StructArray.from_arrays(
        [
            pa.array(roles, pa.string()),
            pa.array(contents, pa.string()),
            *(pa.array([text or None for text in texts], pa.string()) for texts in extras),
        ],
        fields=list(_MESSAGES.value_type),
    )
    ends = accumulate(len(each) if each else 0 for each in column)
    return pa.ListArray.from_arrays(
        pa.array([0, *ends], pa.int32()),
        turns,
        type=_MESSAGES,
        mask=pa.array([each is None for each in column], pa.bool_()),
    )


# --- from columns ----------------------------------------------------------------------------


def from_table(table: Table) -> Iterator[NumberedExample]:
    """What `to_table` was given."""
    examples = map(
        _example,
        _values(table, "kind"),
        _messages(table, "messages"),
        _values(table, "text"),
        _values(table, "tools"),
        _values(table, "label"),
        _messages(table, "chosen"),
        _messages(table, "rejected"),
    )
    return zip(_values(table, "row"), examples, strict=True)


def _example(
    kind: str,
    messages: tuple[Message, ...],
    text: str,
    tools: str,
    label: str,
    chosen: tuple[Message, ...],
    rejected: tuple[Message, ...],
) -> Example:
    match kind:
        case "passage":
            return Passage(text)
        case "classified":
            return Classified(text, label)
        case "preference":
            return Preference(messages, chosen, rejected, tools)
        case _:
            return Conversation(messages, tools)


def _messages(table: Table, name: str) -> Iterator[tuple[Message, ...]]:
    if name not in table.schema.names:
        return repeat((), len(table))
    column = table.column(name)
    turns = turns_of(column)
    messages = map(Message, *(_values(turns, field) for field in _MESSAGE_FIELDS))
    return (
        tuple(islice(messages, count)) for count in column.value_lengths().fill_null(0).tolist()
    )


def turns_of(lists: Column) -> Table:
    """The messages of all lists, one behind the other."""
    return pa.RecordBatch.from_struct_array(lists.flatten())


def _values(table: Table, name: str) -> list[Any]:
    """A column whose nulls are empty texts, as is one that is not there."""
    if name not in table.schema.names:
        return [""] * len(table)
    values = table.column(name)
    if values.null_count:
        values = values.fill_null("")
    return values.to_numpy(zero_copy_only=False).tolist()
