"""What an import counts while the rows go by."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false
# pyright: reportUnknownParameterType=false, reportAttributeAccessIssue=false

import hashlib
from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from tunesmith.data.digests import digests_of
from tunesmith.data.formats import Detection
from tunesmith.data.storage import Column, Table, turns_of
from tunesmith.schema import Strict

# Part of every version id: raise it when equal examples get another canonical form.
_CANONICAL_FORM = b"tunesmith examples 2"
_WORDS_A_DIGEST = 4
_TEXTS_OF_A_TURN = ("content", "tool_calls")


class RoleStats(Strict):
    """The texts of one role; a passage has the role `text`. Lengths are in characters."""

    num_texts: int
    num_characters: int
    longest: int

    def plus(self, others: "RoleStats") -> "RoleStats":
        """The counts of both together."""
        return RoleStats(
            num_texts=self.num_texts + others.num_texts,
            num_characters=self.num_characters + others.num_characters,
            longest=max(self.longest, others.longest),
        )


class DatasetStats(Strict):
    """What an import found.

    Attributes:
        format: in which the rows were read.
        evidence: by what it was recognised.
        num_rows: the sum of the next three.
        num_examples: what the version holds.
        num_rejected: rows that are no examples.
        num_dropped: examples left out on request, since an earlier one says the same.
        num_duplicates: examples that are kept and equal to an earlier one.
        ignored_columns: columns of the file that were not read.
        roles: counts by whose text it is.
    """

    format: str
    evidence: str
    num_rows: int
    num_examples: int
    num_rejected: int
    num_dropped: int = 0
    num_duplicates: int
    ignored_columns: list[str]
    roles: dict[str, RoleStats]


@dataclass(frozen=True)
class Batch:
    """Examples ready to be written, hashed and counted.

    Attributes:
        table: the examples, as `to_table` made it.
        digests: `digests_of` them.
        roles: the counts of their texts.
    """

    table: Table
    digests: list[bytes]
    roles: dict[str, RoleStats]


def to_batch(table: Table) -> Batch:
    """Hash and count the examples of `table`."""
    return Batch(table, digests_of(table), _counts(table))


def _counts(table: Table) -> dict[str, RoleStats]:
    """The texts that `texts_of` gives, counted by the column."""
    counts = {name: _count(pc.utf8_length(table[name])) for name in ("tools", "text", "label")}
    turns = turns_of(table["messages"])
    lengths = [pc.utf8_length(turns[name]) for name in _TEXTS_OF_A_TURN]
    for role in pc.unique(turns["role"]).to_pylist():
        is_of_role = pc.equal(turns["role"], role)
        counts[role] = _count(*(each.filter(is_of_role) for each in lengths))
    for side in ("chosen", "rejected"):
        turns = turns_of(table[side])
        counts[side] = _count(*(pc.utf8_length(turns[name]) for name in _TEXTS_OF_A_TURN))
    return {role: count for role, count in counts.items() if count.num_texts}


def _count(*lengths: Column) -> RoleStats:
    lengths = tuple(each for each in lengths if each.null_count < len(each))
    return RoleStats(
        num_texts=sum(len(each) - each.null_count for each in lengths),
        num_characters=sum(pc.sum(each).as_py() for each in lengths),
        longest=max((pc.max(each).as_py() for each in lengths), default=0),
    )


@dataclass(frozen=True)
class LeftOut:
    """A row that is no example, or a repeated one; `field` is its path in the source or empty."""

    row: int
    field: str
    reason: str

    def __str__(self) -> str:
        return f"`{self.field}` {self.reason}"


@dataclass(frozen=True)
class Part:
    """What became of one block.

    Attributes:
        num_rows: in the block.
        columns: that any of its rows has.
        rejected: rows that are no examples, in order.
        table: the others, as `to_table` makes it.
    """

    num_rows: int
    columns: set[str]
    rejected: list[LeftOut]
    table: Table


class ImportTally:
    """The counts so far, in eight bytes an example."""

    def __init__(self) -> None:
        self.num_rows = 0
        self.num_rejected = 0
        self.num_dropped = 0
        self.num_examples = 0
        self.first_rejected: LeftOut | None = None
        self._columns: set[str] = set()
        self._content = hashlib.sha256(_CANONICAL_FORM)
        self._fingerprints = [np.empty(0, np.uint64)]
        self._roles: dict[str, RoleStats] = {}

    @property
    def version_id(self) -> str:
        """The first 64 bits of the SHA-256 over the examples in order, in hexadecimal."""
        return self._content.hexdigest()[:16]

    def see(self, part: Part) -> None:
        """Count rows, whatever becomes of them."""
        self.num_rows += part.num_rows
        self.num_rejected += len(part.rejected)
        self._columns |= part.columns
        if part.rejected and not self.first_rejected:
            self.first_rejected = part.rejected[0]

    def keep(self, batch: Batch) -> Table:
        """Count examples that the version holds, and give their table."""
        self.num_examples += len(batch.table)
        digests = b"".join(batch.digests)
        self._content.update(digests)
        self._fingerprints.append(np.frombuffer(digests, np.uint64)[::_WORDS_A_DIGEST].copy())
        for role, counts in batch.roles.items():
            before = self._roles.get(role)
            self._roles[role] = before.plus(counts) if before else counts
        return batch.table

    def stats(self, detection: Detection, *, columns: Set[str]) -> DatasetStats:
        """The counts of an import that read `columns`."""
        in_order = np.sort(np.concatenate(self._fingerprints))
        return DatasetStats(
            format=detection.format,
            evidence=detection.evidence,
            num_rows=self.num_rows,
            num_examples=self.num_examples,
            num_rejected=self.num_rejected,
            num_dropped=self.num_dropped,
            num_duplicates=int(np.count_nonzero(in_order[1:] == in_order[:-1])),
            ignored_columns=sorted(self._columns - columns),
            roles=self._roles,
        )
