"""Validation examples that are trained on as well, word for word or nearly (F35).

What the model has seen it answers better, so leaked examples make validation look good.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.dataset import DatasetVersion, read_examples
from tunesmith.data.duplicates import Signatures, first_equal, first_similar, sign
from tunesmith.data.split import generator
from tunesmith.text.conversation import Example

MAX_COMPARED = 200_000  # training examples, at about 80 microseconds each
_NUM_LISTED = 5


@dataclass(frozen=True)
class RowsUsed:
    """The source rows of a dataset that are trained on, and those that are measured."""

    name: str
    version: DatasetVersion
    train: NDArray[np.int64]
    validation: NDArray[np.int64]


class Place(NamedTuple):
    """A source row of a dataset."""

    name: str
    row: int


@dataclass(frozen=True)
class Twin:
    """A validation row and the first training row that says the same."""

    validation: Place
    train: Place
    exact: bool


@dataclass(frozen=True)
class Leakage:
    """How many validation examples have a twin in the training data; `first` names some.

    `num_train_compared` is below `num_train` where only a random sample was compared.
    """

    num_validation: int
    num_train: int
    num_train_compared: int
    num_exact: int
    num_near: int
    first: tuple[Twin, ...]


def find_leakage(used: Sequence[RowsUsed], *, max_compared: int = MAX_COMPARED) -> Leakage:
    """Look for the measured rows among the trained ones."""
    num_train = sum(len(each.train) for each in used)
    share = min(1.0, max_compared / max(1, num_train))
    places, measured, signatures = _signed(used, share)
    queries, corpus = np.flatnonzero(measured), np.flatnonzero(~measured)
    if len(queries) == 0 or len(corpus) == 0:
        return Leakage(len(queries), num_train, len(corpus), 0, 0, ())
    equal = first_equal(signatures.take(queries), signatures.take(corpus))
    similar = first_similar(signatures.take(queries), signatures.take(corpus))
    twin = np.where(equal >= 0, equal, similar)
    return Leakage(
        num_validation=len(queries),
        num_train=num_train,
        num_train_compared=len(corpus),
        num_exact=int((equal >= 0).sum()),
        num_near=int(((equal < 0) & (similar >= 0)).sum()),
        first=tuple(
            Twin(places[queries[at]], places[corpus[twin[at]]], exact=bool(equal[at] >= 0))
            for at in np.flatnonzero(twin >= 0)[:_NUM_LISTED]
        ),
    )


def _signed(
    used: Sequence[RowsUsed], share: float
) -> tuple[list[Place], NDArray[np.bool_], Signatures]:
    """Read each dataset once; which of the places are measured, and what is compared of each."""
    places: list[Place] = []
    measured: list[bool] = []

    def examples() -> Iterator[Example]:
        for each in used:
            held_out = set(each.validation.tolist())
            wanted = held_out.union(_sample(each.train, share).tolist())
            for row, example in read_examples(each.version):
                if row in wanted:
                    places.append(Place(each.name, row))
                    measured.append(row in held_out)
                    yield example

    signatures = sign(examples())
    return places, np.array(measured, np.bool_), signatures


def _sample(rows: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    return rows if share == 1 else generator(0).permutation(rows)[: int(share * len(rows))]
