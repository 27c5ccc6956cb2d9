"""Which examples an epoch sees: datasets by weight, and general data against forgetting (F24, F25).

All of it is a pure function of token stores, settings and a seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.config import MixConfig, Validation
from tunesmith.data.split import generator, split_examples
from tunesmith.data.tokenize import TokenStore, concatenate, count_trained, source_groups
from tunesmith.errors import DatasetRejected

# Replay of 5 % suffices where new and old data are close, 25 % where they are far apart (another
# language): Ibrahim et al. 2024, on continued pre-training, arXiv 2403.08763.
_CLOSE_RATIO, _FAR_RATIO = 0.05, 0.25

_WEIGHT_STREAM, _MIX_STREAM = 1, 2  # so that no two choices share random numbers
_CHUNK_TOKENS = 1 << 24


@dataclass(frozen=True)
class Share:
    """What one dataset gives to an epoch, repeats counted."""

    num_examples: int
    num_tokens: int
    num_trained_tokens: int


@dataclass(frozen=True)
class Selection:
    """The examples of an epoch, and those only measured.

    Attributes:
        store: the examples of all datasets in order, the mix last.
        train: indices into `store`; an example that is seen twice is there twice.
        validation: indices into `store`, none of which is in `train`.
        shares: of the datasets in order, the mix last.
    """

    store: TokenStore
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    shares: tuple[Share, ...]


def select_examples(
    stores: Sequence[TokenStore],
    *,
    weights: Sequence[float],
    mix: tuple[TokenStore, MixConfig] | None,
    validation: Validation,
    seed: int,
) -> Selection:
    """Hold validation examples out of `stores`, weigh the others, and mix general ones in.

    Raises:
        DatasetRejected: a dataset has no example left to train on.
    """
    store = concatenate([*stores, *([mix[0]] if mix else [])])
    split = split_examples(source_groups(stores), validation, seed=seed)
    starts = np.cumsum([0, *(len(each) for each in stores)])
    parts: list[NDArray[np.int64]] = []
    for position, weight in enumerate(weights):
        first, last = np.searchsorted(split.train, starts[position : position + 2])
        if first == last:
            raise DatasetRejected(
                f"dataset {position + 1} of data.train has no example left to train on",
                hint="lower data.validation.percent, or leave the dataset out",
            )
        chance = generator(seed, _WEIGHT_STREAM, position)
        parts.append(_repeated(split.train[first:last], weight, chance))
    if mix is not None:
        num_task_tokens = int(np.diff(store.starts)[np.concatenate(parts)].sum())
        drawn = draw_mix(stores, *mix, num_task_tokens=num_task_tokens, seed=seed)
        parts.append(starts[-1] + drawn)
    return Selection(
        store=store,
        train=np.concatenate(parts),
        validation=split.validation,
        shares=tuple(_share(store, part) for part in parts),
    )


def draw_mix(
    stores: Sequence[TokenStore],
    general: TokenStore,
    config: MixConfig,
    *,
    num_task_tokens: int,
    seed: int,
) -> NDArray[np.int64]:
    """Indices of the examples of `general` that bring its share of all tokens to the ratio.

    A ratio given as a number repeats examples where there are too few; "auto" takes at most all.
    """
    lengths = np.diff(general.starts)
    ratio = auto_ratio(stores, general) if config.ratio == "auto" else config.ratio
    wanted = ratio / (1 - ratio) * num_task_tokens
    if config.ratio == "auto":
        wanted = min(wanted, float(lengths.sum()))
    num_passes, rest = divmod(wanted, int(lengths.sum()))
    order = generator(seed, _MIX_STREAM).permutation(len(lengths))
    reached = np.cumsum([0, *lengths[order]])
    nearest = int(np.abs(reached - rest).argmin())
    drawn = np.sort(order[: max(nearest, num_passes == 0)])
    return np.concatenate([np.tile(np.arange(len(lengths)), int(num_passes)), drawn])


def auto_ratio(stores: Sequence[TokenStore], general: TokenStore) -> float:
    """Share of general tokens that keeps a model from forgetting: 5 % + 20 % x distance (F25).

    The distance is the Jensen-Shannon divergence, in bits and so from 0 to 1, between how often
    each token is trained in the task's data and in the general data. Prompts and templates do not
    count: the model does not learn to say them. Rounded to whole percents, so that no machine's
    last bit of a sum decides.
    """
    task_V, general_V = _trained_token_counts(stores), _trained_token_counts([general])
    size = max(len(task_V), len(general_V))
    distance = _divergence(
        np.pad(task_V, (0, size - len(task_V))), np.pad(general_V, (0, size - len(general_V)))
    )
    return round(_CLOSE_RATIO + (_FAR_RATIO - _CLOSE_RATIO) * distance, 2)


def _trained_token_counts(stores: Sequence[TokenStore]) -> NDArray[np.int64]:
    """How often each token id is trained in `stores`, in chunks: a store may exceed memory."""
    counts = np.zeros(0, np.int64)
    for store in stores:
        for first in range(0, len(store.token_ids), _CHUNK_TOKENS):
            part = slice(first, first + _CHUNK_TOKENS)
            found = np.bincount(store.token_ids[part][store.trained[part]], minlength=len(counts))
            found[: len(counts)] += counts
            counts = found
    return counts


def _divergence(left_V: NDArray[np.int64], right_V: NDArray[np.int64]) -> float:
    """Jensen-Shannon divergence in bits between two distributions given as counts."""
    left, right = left_V / left_V.sum(), right_V / right_V.sum()
    middle = (left + right) / 2
    return (_relative_entropy(left, middle) + _relative_entropy(right, middle)) / 2


def _relative_entropy(of: NDArray[np.float64], to: NDArray[np.float64]) -> float:
    here = of > 0
    return float((of[here] * np.log2(of[here] / to[here])).sum())


def _repeated(
    indices: NDArray[np.int64], weight: float, chance: np.random.Generator
) -> NDArray[np.int64]:
    """`indices` as often as `weight` says, its fraction being a random part; at least one."""
    whole, rest = divmod(weight, 1)
    num_more = max(round(rest * len(indices)), whole == 0)
    more = np.sort(chance.permutation(indices)[:num_more])
    return np.concatenate([np.tile(indices, int(whole)), more])


def _share(store: TokenStore, indices: NDArray[np.int64]) -> Share:
    return Share(
        num_examples=len(indices),
        num_tokens=int(np.diff(store.starts)[indices].sum()),
        num_trained_tokens=int(count_trained(store)[indices].sum()),
    )
