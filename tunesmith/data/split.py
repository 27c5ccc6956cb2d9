"""Which examples are trained on and which only measured, as a pure function of a seed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.config import DatasetValidation, FoldValidation, SplitValidation, Validation


@dataclass(frozen=True)
class Split:
    """Indices of examples, ascending; no index is in both."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]


def split_examples(groups: NDArray[np.int64], validation: Validation, *, seed: int) -> Split:
    """Divide examples; those of one group, the windows of one passage, are never divided.

    With `SplitValidation`, groups are drawn at random until its percent of the examples (rounded
    up) is reached; of those, at most `max_examples` are measured. What exceeds them is trained on
    in the mode "exclude-used", and left out of both in "seed-exact". With `FoldValidation`, the
    groups of one of its equal random parts are held out. Otherwise, or with a single group, all
    are trained on. `groups`, int64 [N], numbers each example's group, from 0 and ascending; `seed`
    counts where `validation` has none of its own.
    """
    everything = np.arange(len(groups), dtype=np.int64)
    sizes = np.bincount(groups)
    if not isinstance(validation, SplitValidation | FoldValidation) or len(sizes) < 2:
        return Split(train=everything, validation=everything[:0])
    drawn = generator(seed if validation.seed is None else validation.seed).permutation(len(sizes))
    if isinstance(validation, FoldValidation):
        used = held_out = np.array_split(drawn, validation.folds)[validation.fold - 1]
    else:
        num_held_out = -(-len(groups) * validation.percent // 100)
        used = _until(drawn, sizes, min(num_held_out, validation.max_examples))
        exact = validation.mode == "seed-exact"
        held_out = _until(drawn, sizes, num_held_out) if exact else used
    return Split(
        train=everything[~np.isin(groups, held_out)],
        validation=everything[np.isin(groups, used)][: validation.max_examples],
    )


def take_validation(
    num_examples: int, validation: DatasetValidation, *, seed: int
) -> NDArray[np.int64]:
    """Indices of the examples to measure in a validation dataset, ascending."""
    num_used = min(num_examples, validation.max_examples)
    if validation.pick == "first":
        return np.arange(num_used, dtype=np.int64)
    drawn = generator(seed if validation.seed is None else validation.seed)
    return np.sort(drawn.permutation(num_examples)[:num_used])


def generator(*seeds: int) -> np.random.Generator:
    """The random numbers that belong to `seeds`, the same on every machine."""
    return np.random.Generator(np.random.PCG64(seeds[0] if len(seeds) == 1 else list(seeds)))


def _until(
    drawn: NDArray[np.int64], sizes: NDArray[np.int64], num_examples: int
) -> NDArray[np.int64]:
    """The first groups of `drawn` with `num_examples` examples in all, leaving one group over."""
    num_before = np.cumsum(sizes[drawn]) - sizes[drawn]
    return drawn[:-1][num_before[:-1] < num_examples]
