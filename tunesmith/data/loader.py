"""Token store -> packed batches, as a pure function of (seed, step).

There is no iterator to save: step n of a run takes the same examples in the same order whenever and
wherever it is taken, so a resumed run reads what the uninterrupted one would have read.

A batch is one row of tokens: the examples end to end, without padding. `lengths` tells attention
where one ends, so that no example sees another. Axes: T packed tokens, N trained tokens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.tokenize import TokenStore


@dataclass(frozen=True)
class PackedBatch:
    """Several examples in one row.

    `predictor_positions_N[i]` is where in the row the hidden state lies that predicts the trained
    token `targets_N[i]`: the place before it.
    """

    token_ids_T: NDArray[np.int64]
    position_ids_T: NDArray[np.int64]
    lengths: tuple[int, ...]
    predictor_positions_N: NDArray[np.int64]
    targets_N: NDArray[np.int64]

    @property
    def num_tokens(self) -> int:
        """T, all tokens of the batch."""
        return len(self.token_ids_T)

    @property
    def num_trained_tokens(self) -> int:
        """N, the tokens whose prediction is trained."""
        return len(self.targets_N)


def pack(store: TokenStore, indices: NDArray[np.int64]) -> PackedBatch:
    """Put the examples `indices` of `store` into one row, in that order."""
    examples = [store.example(int(index)) for index in indices]
    token_ids = np.concatenate([ids for ids, _ in examples]).astype(np.int64)
    trained = np.concatenate([_predictable(mask) for _, mask in examples])
    lengths = tuple(len(ids) for ids, _ in examples)
    targets_at = np.flatnonzero(trained)
    return PackedBatch(
        token_ids_T=token_ids,
        position_ids_T=np.concatenate([np.arange(length) for length in lengths]),
        lengths=lengths,
        predictor_positions_N=targets_at - 1,
        targets_N=token_ids[targets_at],
    )


def _predictable(trained: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nothing comes before an example's first token that could predict it."""
    mask = np.asarray(trained, dtype=np.bool_).copy()
    mask[0] = False
    return mask


@dataclass(frozen=True)
class TrainingBatches:
    """The batches of a whole run over the examples `indices` of `store`, which may repeat.

    An optimizer step takes `gradient_accumulation` batches of `batch_size` examples; the last step
    of an epoch takes what is left (F72).
    """

    store: TokenStore
    indices: NDArray[np.int64]
    batch_size: int
    gradient_accumulation: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in one pass over the data, the last one possibly smaller."""
        return ceil(len(self.indices) / (self.batch_size * self.gradient_accumulation))

    def of_step(self, step: int) -> list[PackedBatch]:
        """The batches of optimizer step `step`, counted from 0 over all epochs."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = _epoch_order(len(self.indices), self.seed, epoch)
        size = self.batch_size * self.gradient_accumulation
        chosen = self.indices[order[place * size : (place + 1) * size]]
        return [pack(self.store, part) for part in _parts(chosen, self.batch_size)]

    def most_tokens(self) -> int:
        """The largest batch there can be: the `batch_size` longest examples together."""
        lengths = np.sort(np.diff(self.store.starts)[self.indices])
        return int(lengths[-self.batch_size :].sum())


def in_order(
    store: TokenStore, indices: NDArray[np.int64], *, batch_size: int
) -> Iterator[PackedBatch]:
    """Batches over `indices` as they stand, for evaluation."""
    return (pack(store, part) for part in _parts(indices, batch_size))


def _parts(indices: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [indices[first : first + size] for first in range(0, len(indices), size)]


@lru_cache(maxsize=2)
def _epoch_order(num_examples: int, seed: int, epoch: int) -> NDArray[np.int64]:
    generator = np.random.Generator(np.random.PCG64([seed, epoch]))
    return generator.permutation(num_examples)
