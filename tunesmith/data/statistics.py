"""What an import counts while the rows go by."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Set

import numpy as np

from tunesmith.data.formats import Detection, RowRejected
from tunesmith.data.sources import Row
from tunesmith.schema import Strict, canonical_json
from tunesmith.text.conversation import Example, Passage

# Part of every version id: raise it when equal examples get another canonical form.
_CANONICAL_FORM = b"tunesmith examples 1"


class RoleStats(Strict):
    """The texts of one role; a passage has the role `text`. Lengths are in characters."""

    num_texts: int
    num_characters: int
    longest: int


class DatasetStats(Strict):
    """What an import found. Duplicates are kept; each beyond the first of its kind is counted."""

    format: str
    evidence: str
    num_rows: int
    num_examples: int
    num_rejected: int
    num_duplicates: int
    ignored_columns: list[str]
    roles: dict[str, RoleStats]


class ImportTally:
    """The counts so far, in eight bytes an example."""

    def __init__(self) -> None:
        self.num_rows = 0
        self.num_rejected = 0
        self.first_rejected: tuple[int, RowRejected] | None = None
        self._columns: set[str] = set()
        self._content = hashlib.sha256(_CANONICAL_FORM)
        self._fingerprints = array("Q")  # the first 64 bits of each example's digest
        self._num_texts: Counter[str] = Counter()
        self._num_characters: Counter[str] = Counter()
        self._longest: dict[str, int] = {}

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

    def accept(self, example: Example) -> None:
        """Count an example."""
        texts = _texts(example)
        digest = hashlib.sha256(canonical_json(texts).encode()).digest()
        self._content.update(digest)
        self._fingerprints.append(int.from_bytes(digest[:8], "big"))
        for role, text in texts:
            self._num_texts[role] += 1
            self._num_characters[role] += len(text)
            self._longest[role] = max(self._longest.get(role, 0), len(text))

    def stats(self, detection: Detection, *, columns: Set[str]) -> DatasetStats:
        """The counts of an import that read `columns`."""
        return DatasetStats(
            format=detection.format,
            evidence=detection.evidence,
            num_rows=self.num_rows,
            num_examples=self.num_examples,
            num_rejected=self.num_rejected,
            num_duplicates=self.num_examples - len(np.unique(self._fingerprints)),
            ignored_columns=sorted(self._columns - columns),
            roles={
                role: RoleStats(
                    num_texts=self._num_texts[role],
                    num_characters=self._num_characters[role],
                    longest=longest,
                )
                for role, longest in self._longest.items()
            },
        )


def _texts(example: Example) -> list[tuple[str, str]]:
    if isinstance(example, Passage):
        return [("text", example.text)]
    return [(message.role, message.content) for message in example.messages]
