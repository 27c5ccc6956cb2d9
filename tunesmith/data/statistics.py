"""What an import counts while the rows go by."""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Set

import numpy as np

from tunesmith.data.formats import Detection, RowRejected
from tunesmith.data.sources import Row
from tunesmith.data.storage import NumberedExample
from tunesmith.schema import Strict, canonical_json
from tunesmith.text.conversation import Example, identity_of, texts_of

# Part of every version id: raise it when equal examples get another canonical form.
_CANONICAL_FORM = b"tunesmith examples 1"


class RoleStats(Strict):
    """The texts of one role; a passage has the role `text`. Lengths are in characters."""

    num_texts: int
    num_characters: int
    longest: int


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


def fingerprint(example: Example) -> int:
    """The first 64 bits of the SHA-256 of all that an example says."""
    return int.from_bytes(_digest(example)[:8], "big")


class ImportTally:
    """The counts so far, in eight bytes an example."""

    def __init__(self) -> None:
        self.num_rows = 0
        self.num_rejected = 0
        self.num_dropped = 0
        self.first_rejected: tuple[int, RowRejected] | None = None
        self._columns: set[str] = set()
        self._content = hashlib.sha256(_CANONICAL_FORM)
        self._fingerprints = array("Q")
        self._roles: dict[str, list[int]] = {}  # number of texts, of characters, the longest

    @property
    def num_examples(self) -> int:
        """Rows that became examples."""
        return len(self._fingerprints)

    @property
    def version_id(self) -> str:
        """The first 64 bits of the SHA-256 over the examples in order, in hexadecimal."""
        return self._content.hexdigest()[:16]

    def see(self, row: Row) -> None:
        """Count a row, whatever becomes of it."""
        self.num_rows += 1
        self._columns |= row.keys()

    def reject(self, number: int, error: RowRejected) -> None:
        """Count row `number` as no example."""
        self.num_rejected += 1
        self.first_rejected = self.first_rejected or (number, error)

    def counted(self, examples: Iterable[NumberedExample]) -> Iterator[NumberedExample]:
        """`examples`, each counted as it goes by."""
        for row, example in examples:
            self._accept(example)
            yield row, example

    def _accept(self, example: Example) -> None:
        digest = _digest(example)
        self._content.update(digest)
        self._fingerprints.append(int.from_bytes(digest[:8], "big"))
        for role, text in texts_of(example):
            counts = self._roles.setdefault(role, [0, 0, 0])
            counts[0] += 1
            counts[1] += len(text)
            counts[2] = max(counts[2], len(text))

    def stats(self, detection: Detection, *, columns: Set[str]) -> DatasetStats:
        """The counts of an import that read `columns`."""
        return DatasetStats(
            format=detection.format,
            evidence=detection.evidence,
            num_rows=self.num_rows,
            num_examples=self.num_examples,
            num_rejected=self.num_rejected,
            num_dropped=self.num_dropped,
            num_duplicates=self.num_examples - len(np.unique(self._fingerprints)),
            ignored_columns=sorted(self._columns - columns),
            roles={
                role: RoleStats(num_texts=count, num_characters=characters, longest=longest)
                for role, (count, characters, longest) in self._roles.items()
            },
        )


def _digest(example: Example) -> bytes:
    return hashlib.sha256(canonical_json(identity_of(example)).encode()).digest()
