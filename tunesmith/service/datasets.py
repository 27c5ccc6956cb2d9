"""Datasets: importing, listing, and what the model would see of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tunesmith.artifacts import read_manifest
from tunesmith.data.dataset import (
    DatasetVersion,
    Standardize,
    import_dataset,
    open_version,
    read_examples,
)
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.data.formats.dataset_info import choose_dataset, read_dataset_info
from tunesmith.data.preview import TokenView, preview_tokens
from tunesmith.data.quality import Finding, find_trouble
from tunesmith.data.sources.fetching import fetch_source, is_remote
from tunesmith.data.statistics import DatasetStats
from tunesmith.errors import NotFound
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
    source: str | Path,
    *,
    name: str,
    entry: str | None = None,
    format: str | None = None,
    mapping: Mapping[str, str] | None = None,
    max_rejected_percent: float = 0.0,
    deduplicate: Deduplicate | None = None,
    on_progress: Callable[[int], None] = lambda num_rows: None,
) -> DatasetView:
    """Import `source`, a path or an address, and let `name` point to the version.

    `entry` names one dataset of a LLaMA-Factory `dataset_info.json`, which then says format and
    columns.

    Raises:
        NameInvalid: `name` breaks the rules.
        NotFound: there is no such file, entry or format.
        FetchFailed: an address could not be fetched.
        DatasetRejected: the file cannot be turned into a dataset version.
    """
    check_name(name)
    home.cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=home.cache) as scratch:
        found = _locate(str(source), entry, scratch=Path(scratch))
        version = import_dataset(
            found.path,
            into=home.datasets,
            format=found.format or format,
            mapping=mapping,
            max_rejected_percent=max_rejected_percent,
            deduplicate=deduplicate,
            standardize=found.standardize,
            provenance=found.provenance,
            on_progress=on_progress,
        )
    home.point("dataset", name, version.id)
    return view_version(name, version)


@dataclass(frozen=True)
class _Found:
    """A local file to import, and what is known of it beforehand."""

    path: Path
    provenance: dict[str, str] = field(default_factory=dict[str, str])
    format: str | None = None
    standardize: Standardize | None = None


def _locate(source: str, entry: str | None, *, scratch: Path) -> _Found:
    if entry is not None:
        info = choose_dataset(read_dataset_info(Path(source)), entry)
        if info.file is None:
            raise NotFound(
                f"{entry} of {source} is on a hub",
                hint=f"import hf://datasets/{info.hub_id}@REVISION/FILE",
            )
        return _Found(info.file, {"entry": entry}, info.format, info.standardize)
    if not is_remote(source):
        return _Found(Path(source))
    fetched = fetch_source(source, into=scratch)
    return _Found(fetched.path, {"origin": fetched.origin, "revision": fetched.revision})


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
