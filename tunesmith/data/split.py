"""Which examples are trained on and which only measured, as a pure function of a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.config import DatasetValidation, SplitValidation, Validation


@dataclass(frozen=True)
class Split:
    """Indices of examples, ascending; no index is in both."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def split_examples(num_examples: int, validation: Validation, *, seed: int) -> Split:
    """Divide the examples of the training data.

    With `SplitValidation`, its percent (rounded up) is drawn at random, of which at most
    `max_examples` are measured. What exceeds them is trained on in the mode "exclude-used", and
    left out of both in "seed-exact". Without a split, or with a single example, all are trained on.
    """
    everything = np.arange(num_examples, dtype=np.int64)
    if not isinstance(validation, SplitValidation) or num_examples < 2:
        return Split(train=everything, validation=everything[:0])
    num_held_out = -(-num_examples * validation.percent // 100)
    num_used = min(num_held_out, validation.max_examples)
    drawn = _generator(seed).permutation(num_examples)
    num_kept_back = num_used if validation.mode == "exclude-used" else num_held_out
    return Split(train=np.sort(drawn[num_kept_back:]), validation=np.sort(drawn[:num_used]))


def take_validation(
    num_examples: int, validation: DatasetValidation, *, seed: int
) -> NDArray[np.int64]:
    """Indices of the examples to measure in a validation dataset, ascending."""
    num_used = min(num_examples, validation.max_examples)
    if validation.pick == "first":
        return np.arange(num_used, dtype=np.int64)
    return np.sort(_generator(seed).permutation(num_examples)[:num_used])


def _generator(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))
