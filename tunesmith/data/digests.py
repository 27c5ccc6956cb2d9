"""What an example is equal by: the SHA-256 of all that it says, made by the column."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import hashlib
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tunesmith.data.storage import (
    Column,
    NumberedExample,
    Table,
    in_batches,
    to_table,
    turns_of,
)
from tunesmith.text.conversation import Example

# UTF-8 has neither of these bytes, so what they part can be told apart again.
_END_OF_FIELD = b"\xff"
_NEXT_COLUMN = b"\xfe"
_WORDS_A_DIGEST = 4  # of 64 bits


def with_fingerprints(examples: Iterable[NumberedExample]) -> Iterator[tuple[int, Example, int]]:
    """`examples` with their rows, each with the first 64 bits of its digest."""
    for batch in in_batches(examples):
        fingerprints = fingerprints_of(to_table(batch)).tolist()
        for (row, example), fingerprint in zip(batch, fingerprints, strict=True):
            yield row, example, fingerprint


def fingerprints_of(table: Table) -> NDArray[np.uint64]:
    """The first 64 bits of the digest of each example in a table."""
    digests = b"".join(digests_of(table))
    return np.frombuffer(digests, ">u8")[::_WORDS_A_DIGEST].astype(np.uint64)


def digests_of(table: Table) -> list[bytes]:
    """The digest of each example in a table as `to_table` makes it, whatever row it came from."""
    said = pc.binary_join_element_wise(
        *(table[name].cast(pa.binary()) for name in ("kind", "text", "tools", "label")),
        *(_said(table[side]) for side in ("messages", "chosen", "rejected")),
        _NEXT_COLUMN,
        null_handling="replace",
    )
    _, ends, content = said.buffers()
    content = memoryview(content or b"")
    bounds = np.frombuffer(ends, np.int32)[: len(said) + 1].tolist()
    return [hashlib.sha256(content[start:end]).digest() for start, end in pairwise(bounds)]


def _said(lists: Column) -> Column:
    """All fields of all messages in each list, one behind the other."""
    turns = turns_of(lists)
    if len(turns) == 0:
        return pa.nulls(len(lists), pa.binary())
    fields = [column.cast(pa.binary()) for column in turns.itercolumns()]
    messages = pc.binary_join_element_wise(*fields, b"", _END_OF_FIELD, null_handling="replace")
    _, ends, content = messages.buffers()
    offsets = lists.offsets.to_numpy()
    bounds = np.frombuffer(ends, np.int32)[offsets - offsets[0]]  # the table may be a part of one
    return pa.Array.from_buffers(pa.binary(), len(lists), [None, pa.py_buffer(bounds), content])
