"""Datasets: importing, listing, and what the model would see of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tunesmith.artifacts import read_manifest
from tunesmith.data.dataset import DatasetVersion, import_dataset, open_version, read_examples
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.data.preview import TokenView, preview_tokens
from tunesmith.data.quality import Finding, find_trouble
from tunesmith.data.statistics import DatasetStats
from tunesmith.jobs.folder import JOB
from tunesmith.schema import check_name
from tunesmith.service.models import find_base
from tunesmith.service.runs import read_job
from tunesmith.store.home import Home
from tunesmith.text.codec import TextCodec
from tunesmith.training.config import TrainConfig


@dataclass(frozen=True)
class DatasetView:
    """A dataset version as lists show it."""

    name: str
    version: str
    imported: str
    source: str
    folder: str
    existed: bool
    stats: DatasetStats


def add_dataset(
    home: Home,
    source: Path,
    *,
    name: str,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    max_rejected_percent: float = 0.0,
    deduplicate: Deduplicate | None = None,
    on_progress: Callable[[int], None] = lambda num_rows: None,
) -> DatasetView:
    """Import `source` and let `name` point to the version.

    Raises:
        NameInvalid: `name` breaks the rules.
        NotFound: there is no such file or format.
        DatasetRejected: the file cannot be turned into a dataset version.
    """
    check_name(name)
    version = import_dataset(
        source,
        into=home.datasets,
        format=format,
        mapping=mapping,
        max_rejected_percent=max_rejected_percent,
        deduplicate=deduplicate,
        on_progress=on_progress,
    )
    home.point("dataset", name, version.id)
    return view_version(name, version)


def list_datasets(home: Home) -> list[DatasetView]:
    """Every version that a name points or pointed to, newest first."""
    newest_first = {(e.name, e.id): e.since for e in home.entries("dataset")}
    return [
        view_version(name, open_version(home.datasets / version_id), imported=since)
        for (name, version_id), since in reversed(newest_first.items())
        if read_manifest(home.datasets / version_id) is not None
    ]


def find_version(home: Home, reference: str) -> DatasetVersion:
    """The dataset version of NAME, NAME@VERSION or an id.

    Raises:
        NotFound: there is none.
    """
    return open_version(home.datasets / home.find("dataset", reference).id)


def view_version(name: str, version: DatasetVersion, *, imported: str = "now") -> DatasetView:
    """`version` as lists show it."""
    manifest = read_manifest(version.folder)
    return DatasetView(
        name=name,
        version=version.id,
        imported=imported,
        source=str(manifest.lineage.get("source", "")) if manifest else "",
        folder=str(version.folder),
        existed=version.existed,
        stats=version.stats,
    )


@dataclass(frozen=True)
class RunUse:
    """A run that was made with a dataset version."""

    run: str
    name: str


def runs_using(home: Home, version_id: str) -> list[RunUse]:
    """The runs that train on, mix in or validate on a version, oldest first."""
    ids = dict.fromkeys(entry.id for entry in home.entries("run"))
    jobs = [read_job(home.runs / id) for id in ids if (home.runs / id / JOB).exists()]
    return [
        RunUse(job.run_id, job.config.name)
        for job in jobs
        if any(dataset.version == version_id for dataset in job.datasets)
    ]


@dataclass(frozen=True)
class DatasetReport:
    """A version in full: its counts, what is suspicious about it, where it came from and went."""

    dataset: DatasetView
    findings: list[Finding]
    lineage: dict[str, Any]
    runs: list[RunUse]


def report_on(home: Home, reference: str) -> DatasetReport:
    """Read a version through and report on it.

    Raises:
        NotFound: there is no such dataset.
    """
    entry = home.find("dataset", reference)
    version = find_version(home, reference)
    manifest = read_manifest(version.folder)
    return DatasetReport(
        dataset=view_version(entry.name, version, imported=entry.since),
        findings=find_trouble(read_examples(version)),
        lineage=manifest.lineage if manifest else {},
        runs=runs_using(home, version.id),
    )


@dataclass(frozen=True)
class ExampleView:
    """One example as training sees it."""

    row: int
    tokens: list[TokenView]


def preview(
    home: Home, reference: str, config: TrainConfig, *, first: int, limit: int
) -> Iterator[ExampleView]:
    """The examples from source row `first` on, token by token, under the data settings of `config`.

    Raises:
        NotFound: the dataset or the base model does not exist.
        DatasetRejected: the chat template refuses an example.
    """
    version = find_version(home, reference)
    codec = TextCodec.from_folder(Path(find_base(home, config.model).folder))
    data = config.data
    chosen = ((row, example) for row, example in read_examples(version) if row >= first)
    for row, example in islice(chosen, limit):
        tokens = preview_tokens(
            codec,
            example,
            max_length=data.max_length,
            system_prompt=data.system_prompt,
            train_on=data.train_on,
        )
        yield ExampleView(row, tokens)
