"""The mix stage: a dataset with general data beside it, worked out by tokens or kept."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.config import NoValidation
from tunesmith.data.dataset import DatasetVersion, derive_version, open_version, read_examples
from tunesmith.data.job import MixJob
from tunesmith.data.mix import Share, select_examples
from tunesmith.data.storage import NumberedExample
from tunesmith.data.tokenize import TokenStore, tokenize_dataset
from tunesmith.errors import RecipeInvalid
from tunesmith.events import Emit, PhaseStarted, counting
from tunesmith.text.codec import TextCodec


@dataclass(frozen=True)
class Mixture:
    """What a mix comes to: `ratio` is the general share of all tokens; `made` the new version."""

    ratio: float
    task: Share
    general: Share
    made: DatasetVersion | None


def run_mix(job: MixJob, *, emit: Emit) -> Mixture:
    """Work out what the mix of `job` comes to, and keep it where it says so.

    Raises:
        RecipeInvalid: its settings mix nothing in.
        DatasetRejected: the chat template refuses an example.
        ModelRejected: the base model cannot be used.
    """
    mix = job.data.mix
    if mix is None:
        raise RecipeInvalid("the recipe mixes nothing in", hint="set data.mix.dataset")
    versions = [open_version(Path(folder)) for folder in (job.task, job.general)]
    stores = [_tokens(version, job, emit) for version in versions]
    selection = select_examples(
        stores[:1],
        weights=[1.0],
        mix=(stores[1], mix),
        validation=NoValidation(),
        seed=job.seed,
    )
    own, added = selection.shares
    ratio = added.num_tokens / (own.num_tokens + added.num_tokens)
    if job.into is None:
        return Mixture(ratio, own, added, None)
    emit(PhaseStarted(phase="writing the mix"))
    seen = np.bincount(selection.train, minlength=len(selection.store))[len(stores[0]) :]
    lineage = {"task": versions[0].id, "general": versions[1].id, "ratio": mix.ratio}
    made = derive_version(
        _renumbered(read_examples(versions[0]), _repeated(versions[1], _by_row(stores[1], seen))),
        into=Path(job.into),
        made=f"{job.task_name} with {ratio:.1%} of {mix.dataset} by tokens",
        lineage={**lineage, "seed": job.seed},
    )
    return Mixture(ratio, own, added, made)


def _tokens(version: DatasetVersion, job: MixJob, emit: Emit) -> TokenStore:
    count = counting(emit, unit="examples")
    emit(PhaseStarted(phase="tokenizing"))
    return tokenize_dataset(
        version,
        TextCodec.from_folder(Path(job.base)),
        max_length=job.data.max_length,
        system_prompt=job.data.system_prompt,
        train_on=job.data.train_on,
        passages=job.data.passages,
        cache=Path(job.cache),
        on_progress=lambda done: count(done, version.num_examples),
    )


def _by_row(store: TokenStore, seen: NDArray[np.int64]) -> dict[int, int]:
    """How often each source row is seen; a passage as often as the window that is seen most."""
    times: dict[int, int] = {}
    for row, count in zip(store.rows.tolist(), seen.tolist(), strict=True):
        times[row] = max(times.get(row, 0), count)
    return times


def _repeated(version: DatasetVersion, times: Mapping[int, int]) -> Iterator[NumberedExample]:
    for row, example in read_examples(version):
        yield from [(row, example)] * times.get(row, 0)


def _renumbered(*parts: Iterable[NumberedExample]) -> Iterator[NumberedExample]:
    """The examples of several versions with row numbers of their own."""
    examples = (example for part in parts for _, example in part)
    return enumerate(examples, start=1)
