"""What two dataset versions have in common, by what their examples say."""

from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.dataset import DatasetVersion, read_some_examples, read_tables
from tunesmith.data.digests import fingerprints_of
from tunesmith.text.conversation import texts_of

_NUM_SHOWN = 3
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class ShownExample:
    """The source row of an example and the beginning of each of its texts, as (whose, text)."""

    row: int
    texts: list[tuple[str, str]]


@dataclass(frozen=True)
class Difference:
    """Examples that only the newer version has, only the older, or both; the first of each side."""

    num_added: int
    num_removed: int
    num_common: int
    first_added: list[ShownExample]
    first_removed: list[ShownExample]


def compare_versions(older: DatasetVersion, newer: DatasetVersion) -> Difference:
    """Compare by content alone: neither order nor source rows count."""
    before, after = _fingerprints(older), _fingerprints(newer)
    added, removed = ~np.isin(after, before), ~np.isin(before, after)
    return Difference(
        num_added=int(added.sum()),
        num_removed=int(removed.sum()),
        num_common=int((~added).sum()),
        first_added=_first(newer, added),
        first_removed=_first(older, removed),
    )


def _fingerprints(version: DatasetVersion) -> NDArray[np.uint64]:
    parts = [fingerprints_of(table) for table in read_tables(version)]
    return np.concatenate([np.empty(0, np.uint64), *parts])


def _first(version: DatasetVersion, chosen: NDArray[np.bool_]) -> list[ShownExample]:
    wanted = np.flatnonzero(chosen)[:_NUM_SHOWN].tolist()
    examples = chain.from_iterable(
        read_some_examples(version, skip=index, limit=1) for index in wanted
    )
    return [
        ShownExample(row, [(whose, _beginning(text)) for whose, text in texts_of(example)])
        for row, example in examples
    ]


def _beginning(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
