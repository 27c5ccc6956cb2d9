"""A run's datasets as tokens: what is trained, what is measured, and what became of the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.config import DatasetValidation
from tunesmith.data.dataset import DatasetVersion, open_version
from tunesmith.data.leakage import RowsUsed
from tunesmith.data.mix import Selection, Share, select_examples
from tunesmith.data.split import take_validation
from tunesmith.data.token_report import TokenReport
from tunesmith.data.tokenize import TokenStore, tokenize_dataset
from tunesmith.errors import DatasetRejected
from tunesmith.events import Emit, PhaseStarted, counting
from tunesmith.text.codec import TextCodec
from tunesmith.training.job import PinnedDataset, TrainJob

Purpose: TypeAlias = Literal["train", "mix", "validation"]


@dataclass(frozen=True)
class DatasetUse:
    """One dataset of a run: what became of its rows, and what it gives to an epoch.

    Attributes:
        purpose: what it is for.
        name: what it was asked for by.
        version: its id.
        num_rows: source rows, as the import counted them.
        num_rejected: those that the import left out as malformed.
        num_damaged: those lost in part or whole: rejected, cut, or without anything to train.
        report: what tokenizing it came to.
        share: its part of an epoch; None for validation.
    """

    purpose: Purpose
    name: str
    version: str
    num_rows: int
    num_rejected: int
    num_damaged: int
    report: TokenReport
    share: Share | None

    @property
    def damaged_percent(self) -> float:
        """`num_damaged` in percent of `num_rows`."""
        return 100 * self.num_damaged / self.num_rows


@dataclass(frozen=True)
class RunExamples:
    """The examples of a run.

    Attributes:
        store: the training data, the mix last.
        train: indices into `store` that an epoch sees, an example once for each time.
        validation: the store and the indices that are measured.
        uses: the datasets in order: train, mix, validation.
        rows: the source rows that `train` and `validation` came from.
    """

    store: TokenStore
    train: NDArray[np.int64]
    validation: tuple[TokenStore, NDArray[np.int64]]
    uses: tuple[DatasetUse, ...]
    rows: tuple[RowsUsed, ...]


@dataclass(frozen=True)
class _Source:
    """A dataset version and its tokens."""

    purpose: Purpose
    name: str
    version: DatasetVersion
    store: TokenStore


def prepare_examples(job: TrainJob, *, emit: Emit) -> RunExamples:
    """Tokenize (or find the cached tokens) and choose.

    Raises:
        DatasetRejected: nothing is left to train on, more rows are damaged than allowed, or the end
            of an answer would not be learnt.
        ModelRejected: the base model cannot be used.
    """
    data, seed = job.config.data, job.config.seed
    sources = _sources(job, emit=emit)
    for source in sources:
        _check_turn_ends(source)
        _check_damage(_use(source, None), allowed_percent=data.max_damaged_percent)
    stores = {purpose: [s.store for s in sources if s.purpose == purpose] for purpose in _PURPOSES}
    selection = select_examples(
        stores["train"],
        weights=[entry.weight for entry in data.train],
        mix=(stores["mix"][0], data.mix) if data.mix else None,
        validation=data.validation,
        seed=seed,
    )
    validation = selection.store, selection.validation
    if isinstance(data.validation, DatasetValidation):
        [held_out] = stores["validation"]
        validation = held_out, take_validation(len(held_out), data.validation, seed=seed)
    shares = [*selection.shares, None]
    return RunExamples(
        store=selection.store,
        train=selection.train,
        validation=validation,
        uses=tuple(_use(source, share) for source, share in zip(sources, shares, strict=False)),
        rows=tuple(_rows_used(sources, selection, validation)),
    )


_PURPOSES: tuple[Purpose, ...] = ("train", "mix", "validation")


def _sources(job: TrainJob, *, emit: Emit) -> list[_Source]:
    """The job's datasets, tokenized; training first, then mix and validation where there are."""
    codec, data = TextCodec.from_folder(Path(job.base.folder)), job.config.data

    def read(purpose: Purpose, pinned: PinnedDataset) -> _Source:
        emit(PhaseStarted(phase="tokenizing", detail=pinned.reference))
        version = open_version(Path(pinned.folder))
        count = counting(emit, unit="examples")
        try:
            store = tokenize_dataset(
                version,
                codec,
                max_length=data.max_length,
                system_prompt=data.system_prompt,
                train_on=data.train_on,
                passages=data.passages,
                cache=Path(job.cache),
                on_progress=lambda num_done: count(num_done, version.num_examples),
            )
        except DatasetRejected as error:
            message = f"dataset {pinned.reference}: {error.message}"
            raise DatasetRejected(message, hint=error.hint) from error
        return _Source(purpose, pinned.reference, version, store)

    sources = [read("train", pinned) for pinned in job.train]
    sources += [read("mix", job.mix)] if job.mix else []
    return sources + ([read("validation", job.validation)] if job.validation else [])


def _use(source: _Source, share: Share | None) -> DatasetUse:
    stats, report = source.version.stats, source.store.report
    return DatasetUse(
        purpose=source.purpose,
        name=source.name,
        version=source.version.id,
        num_rows=stats.num_rows,
        num_rejected=stats.num_rejected,
        num_damaged=stats.num_rejected + report.num_truncated + report.num_unusable,
        report=report,
        share=share,
    )


def _check_damage(use: DatasetUse, *, allowed_percent: float) -> None:
    if use.damaged_percent <= allowed_percent:
        return
    report = use.report
    reasons = {
        "rejected at import": use.num_rejected,
        "longer than data.max_length": report.num_truncated,
        "with nothing to train within it": report.num_unusable,
    }
    listed = ", ".join(f"{count:,} {what}" for what, count in reasons.items() if count)
    raise DatasetRejected(
        f"dataset {use.name}: {use.num_damaged:,} of {use.num_rows:,} rows "
        f"({use.damaged_percent:.1f} %) are damaged: {listed}; {allowed_percent:g} % are allowed",
        hint=f"raise data.max_length (the longest example has {report.longest:,} tokens), mend the "
        f"rows, or accept the loss: --allow {_next_tenth(use.damaged_percent)}",
    )


def _next_tenth(percent: float) -> str:
    return f"{ceil(percent * 10) / 10:g}"


def _check_turn_ends(source: _Source) -> None:
    report = source.store.report
    if report.num_whole_unended:
        raise DatasetRejected(
            f"dataset {source.name}: the end of an answer is not trained in "
            f"{report.num_whole_unended:,} of {report.num_whole:,} complete examples, so the model "
            "would not learn to stop",
            hint="look at one: tunesmith data preview; mend the model's chat template or eos_token",
        )


def _rows_used(
    sources: Sequence[_Source],
    selection: Selection,
    validation: tuple[TokenStore, NDArray[np.int64]],
) -> list[RowsUsed]:
    used: list[RowsUsed] = []
    start = 0
    for source in sources:
        end = start + len(source.store)
        if source.purpose == "validation":
            trained, measured = np.zeros(0, np.int64), validation[1]
        else:
            trained = _within(selection.train, start, end)
            measured = _within(selection.validation, start, end)
        rows = source.store.rows
        used.append(
            RowsUsed(
                source.name, source.version, np.unique(rows[trained]), np.unique(rows[measured])
            )
        )
        start = end
    return used


def _within(indices: NDArray[np.int64], start: int, end: int) -> NDArray[np.int64]:
    """Those of `indices` from `start` to `end`, counted from `start`."""
    return indices[(indices >= start) & (indices < end)] - start
