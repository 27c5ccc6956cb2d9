"""Datasets: importing, listing, and what the model would see of them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tunesmith.artifacts import read_manifest, taking_turns, write_json
from tunesmith.data.dataset import (
    DatasetVersion,
    LeftOut,
    open_version,
    read_left_out,
    read_tables,
)
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.data.importing import run_import
from tunesmith.data.job import ImportJob, PreviewJob
from tunesmith.data.preview import ExampleView, preview_dataset
from tunesmith.data.quality import Finding, find_trouble
from tunesmith.data.sources.places import Places
from tunesmith.data.statistics import DatasetStats
from tunesmith.events import Emit
from tunesmith.jobs.folder import JOB
from tunesmith.schema import as_json, check_name
from tunesmith.service.models import find_base
from tunesmith.service.runs import read_job
from tunesmith.store.home import Home
from tunesmith.training.config import TrainConfig

NUM_LEFT_OUT = 10


@dataclass(frozen=True)
class DatasetView:
    """A dataset version as lists show it; `left_out` are files beside those of its source."""

    name: str
    version: str
    imported: str
    source: str
    encoding: str
    num_files: int
    left_out: list[str]
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
    listener: Emit = lambda event: None,
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
    job = ImportJob(
        source=str(source),
        entry=entry,
        format=format,
        mapping=dict(mapping or {}),
        max_rejected_percent=max_rejected_percent,
        deduplicate=deduplicate,
        into=str(home.datasets),
        scratch=str(home.cache),
    )
    version = run_import(job, emit=listener)
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
    lineage = version.lineage
    return DatasetView(
        name=name,
        version=version.id,
        imported=imported,
        source=str(lineage.get("source", "")),
        encoding=lineage.get("encoding", ""),
        num_files=len(lineage.get("files", [])),
        left_out=lineage.get("left_out", []),
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
class LeftOutView:
    """A row that a version does without, and where it is in the version's source."""

    place: str
    row: int
    field: str
    reason: str


@dataclass(frozen=True)
class DatasetReport:
    """A version in full: its counts, what is suspicious about it, where it came from and went.

    Of the rows it does without, the first are here.
    """

    dataset: DatasetView
    findings: list[Finding]
    rows_left_out: list[LeftOutView]
    lineage: dict[str, Any]
    runs: list[RunUse]


def report_on(home: Home, reference: str) -> DatasetReport:
    """Read a version through and report on it.

    Raises:
        NotFound: there is no such dataset.
    """
    entry = home.find("dataset", reference)
    version = find_version(home, reference)
    return DatasetReport(
        dataset=view_version(entry.name, version, imported=entry.since),
        findings=findings_of(home, version),
        rows_left_out=view_left_out(version.lineage, islice(read_left_out(version), NUM_LEFT_OUT)),
        lineage=version.lineage,
        runs=runs_using(home, version.id),
    )


def findings_of(home: Home, version: DatasetVersion) -> list[Finding]:
    """What is suspicious about a version; it never changes, so it is found out once."""
    found = remembered(home, version, "reports", lambda: find_trouble(read_tables(version)))
    return [Finding(**each) for each in found]


def remembered(home: Home, version: DatasetVersion, what: str, find_out: Callable[[], Any]) -> Any:
    """What was found out about a version, as JSON; kept in the cache of `home`.

    Of those who ask at once for what nobody knows yet, one finds it out and the others wait.
    """
    path = home.cache / what / f"{version.id}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with taking_turns(path.with_suffix(".lock")):
            if not path.exists():
                write_json(path, as_json(find_out()))
    return json.loads(path.read_text("utf-8"))


def view_left_out(lineage: Mapping[str, Any], rows: Iterable[LeftOut]) -> list[LeftOutView]:
    """Rows that the version of `lineage` does without, with their places in its source."""
    only = {"file": lineage.get("source", ""), "first_row": 1}
    files = lineage.get("files", [only])
    places = Places((file["first_row"] - 1, file["file"]) for file in files)
    return [
        LeftOutView(places.sentence(each.row), each.row, each.field, each.reason) for each in rows
    ]


def preview(
    home: Home, reference: str, config: TrainConfig, *, first: int, limit: int
) -> Iterator[ExampleView]:
    """The examples from source row `first` on, token by token, under the data settings of `config`.

    Raises:
        NotFound: the dataset or the base model does not exist.
        DatasetRejected: the chat template refuses an example.
    """
    job = PreviewJob(
        dataset=str(find_version(home, reference).folder),
        base=find_base(home, config.model).folder,
        data=config.data,
        first_row=first,
        limit=limit,
    )
    return preview_dataset(job)
