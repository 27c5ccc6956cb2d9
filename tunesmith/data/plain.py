"""Plain chats, read by the column: a block of lines without a Python object for every row.

Most rows of most files have the same keys and nothing unusual. Arrow's parser reads a block of them
several times faster than Python reads row after row, and refuses what differs. If anything in a
block is unusual, all of it is read row by row instead: what is accepted and what is wrong with the
rest is said there alone, and a test holds this reader to it.
"""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from tunesmith.data.formats import FORMATS
from tunesmith.data.formats.turns import OPENAI_ROLES, SHAREGPT_ROLES
from tunesmith.data.recognise import first_rows
from tunesmith.data.sources import JsonLines, NumberedRow
from tunesmith.data.statistics import Part
from tunesmith.data.storage import conversations_table
from tunesmith.text.conversation import Role

# The column of turns by format, and a turn's role and text.
_TURNS: Mapping[str, tuple[str, str, str, Mapping[str, Role]]] = {
    "messages": ("messages", "role", "content", OPENAI_ROLES),
    "sharegpt": ("conversations", "from", "value", SHAREGPT_ROLES),
}
_UNUSUAL = {"tool", "observation", "function_call"}  # their texts are read in another way


@dataclass(frozen=True)
class PlainChats:
    """Rows with a list of turns that are role and text, and beside it texts and whole numbers.

    Attributes:
        columns: of the file, with their types.
        turns: the column of turns.
        role: the key of a turn's role.
        text: the key of its text.
        roles: what is written there, and which role it is.
    """

    columns: pa.Schema
    turns: str
    role: str
    text: str
    roles: Mapping[str, Role]

    def read(self, block: JsonLines, *, offset: int) -> Part | None:
        """Read `block`, adding `offset` to its row numbers; nothing if anything is unusual."""
        rows = self._parsed(block)
        if rows is None:
            return None
        lists = rows[self.turns].combine_chunks()
        turns = lists.flatten()
        texts = turns.field(self.text)
        roles = pc.take(
            pa.array(self.roles.values(), pa.string()),
            pc.index_in(turns.field(self.role), pa.array(self.roles, pa.string())),
        )
        if lists.null_count or turns.null_count or texts.null_count or roles.null_count:
            return None
        is_answer = pc.equal(roles, "assistant").to_numpy(zero_copy_only=False)
        num_answers = np.diff(np.append(0, np.cumsum(is_answer))[lists.offsets])
        is_blank = pc.or_(pc.utf8_is_space(texts), pc.equal(texts, ""))
        if not num_answers.all() or pc.any(is_blank).as_py():
            return None
        first = offset + block.first_line
        numbers = pa.array(np.arange(first, first + len(rows)))
        table = conversations_table(numbers, lists.offsets, roles, texts)
        return Part(len(rows), set(self.columns.names), [], table)

    def _parsed(self, block: JsonLines) -> pa.Table | None:
        try:
            rows = pa_json.read_json(
                pa.BufferReader(block.lines),
                read_options=pa_json.ReadOptions(
                    use_threads=False, block_size=len(block.lines) + 1
                ),
                parse_options=pa_json.ParseOptions(
                    explicit_schema=self.columns, unexpected_field_behavior="error"
                ),
            )
        except pa.ArrowException:
            return None
        # Whether a column without any value is there, Arrow does not tell.
        has_values = all(each.null_count < len(rows) for each in rows.itercolumns())
        # To Arrow a newline is a space like others, but between these brackets it ends a row.
        is_row_a_line = len(rows) == block.num_lines == 1 + _count_row_ends(block.lines)
        return rows if has_values and is_row_a_line else None


def plain_chats(
    format: str, mapping: Mapping[str, str], *, rows: Iterator[NumberedRow]
) -> PlainChats | None:
    """The reader for a source of these `rows`, or nothing if the first of them are not plain."""
    if format not in _TURNS:
        return None
    field, role, text, roles = _TURNS[format]
    sample = first_rows(rows)
    turns = mapping.get(field, field)
    turn = pa.struct({role: pa.string(), text: pa.string()})
    types: dict[str, pa.DataType | None] = {turns: pa.list_(turn)}
    for column in {column: None for row in sample for column in row}:
        types.setdefault(column, _type_of([row.get(column) for row in sample]))
    others_read = {mapping.get(each, each) for each in FORMATS[format].columns} - {turns}
    if None in types.values() or others_read & types.keys():
        return None
    usual: dict[str, Role] = {name: roles[name] for name in roles.keys() - _UNUSUAL}
    return PlainChats(pa.schema(types), turns, role, text, usual)


def _count_row_ends(lines: bytes) -> int:
    r"""As `lines.count(b"}\n{")`, several times as fast."""
    utf8 = np.frombuffer(lines, np.uint8)
    newlines = 1 + np.flatnonzero(utf8[1:-1] == ord("\n"))
    is_end = (utf8[newlines - 1] == ord("}")) & (utf8[newlines + 1] == ord("{"))
    return int(np.count_nonzero(is_end))


def _type_of(values: Sequence[Any]) -> pa.DataType | None:
    """Of texts or whole numbers; other values are not plain."""
    kinds = {type(value) for value in values if value is not None}
    return {frozenset({str}): pa.string(), frozenset({int}): pa.int64()}.get(frozenset(kinds))
