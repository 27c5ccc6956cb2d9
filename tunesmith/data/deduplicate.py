"""Leaving out what an earlier example says already, while a dataset is imported."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np

from tunesmith.data.digests import with_fingerprints
from tunesmith.data.duplicates import first_equal, first_similar, sign
from tunesmith.data.storage import NumberedExample, stream_examples, write_examples

Deduplicate: TypeAlias = Literal["exact", "near"]

Drop: TypeAlias = Callable[[int, int], None]
"""Called with a row that is left out and the earlier row it repeats, which is kept."""


def without_duplicates(
    examples: Iterable[NumberedExample], how: Deduplicate, *, scratch: Path, drop: Drop
) -> Iterator[NumberedExample]:
    """The first of all equal examples.

    With "exact", equal in everything, in some 100 bytes of memory an example. With "near", as
    `duplicates` compares, in 264 bytes an example and the disk space of a second copy at `scratch`,
    since each must be seen before any is kept.
    """
    if how == "exact":
        return _without_equal(examples, drop)
    return _without_similar(examples, scratch, drop)


def _without_equal(examples: Iterable[NumberedExample], drop: Drop) -> Iterator[NumberedExample]:
    first_rows: dict[int, int] = {}
    for row, example, fingerprint in with_fingerprints(examples):
        first = first_rows.setdefault(fingerprint, row)
        if first == row:
            yield row, example
        else:
            drop(row, first)


def _without_similar(
    examples: Iterable[NumberedExample], scratch: Path, drop: Drop
) -> Iterator[NumberedExample]:
    write_examples(scratch, examples)
    signatures = sign(example for _, example in stream_examples(scratch))
    similar, equal = first_similar(signatures, signatures), first_equal(signatures, signatures)
    earlier: list[int] = np.where(similar < 0, equal, np.minimum(similar, equal)).tolist()
    rows: list[int] = []
    for index, (row, example) in enumerate(stream_examples(scratch)):
        rows.append(row)
        kept = index
        while earlier[kept] != kept:  # what it resembles may itself have been left out
            kept = earlier[kept]
        if kept == index:
            yield row, example
        else:
            drop(row, rows[kept])
    scratch.unlink()
