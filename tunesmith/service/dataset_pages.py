"""A tenant's datasets as the API shows them: versions, their rows, and what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import select

from tunesmith.artifacts import read_manifest
from tunesmith.data.comparison import Difference
from tunesmith.data.dataset import (
    DatasetVersion,
    open_version,
    read_left_out,
    read_some_examples,
)
from tunesmith.data.export import as_record
from tunesmith.data.statistics import DatasetStats, LeftOut
from tunesmith.errors import InUse, NotFound
from tunesmith.service import dataset_versions
from tunesmith.service.datasets import RunUse, find_version, runs_using, view_version
from tunesmith.service.services import Services
from tunesmith.store.home import Home, NameEntry
from tunesmith.store.tables import TERMINAL, Job

T = TypeVar("T")


@dataclass(frozen=True)
class DatasetSummary:
    """A dataset version as lists show it."""

    name: str
    version: str
    created_at: str
    source: str
    encoding: str
    num_files: int
    left_out: list[str]
    num_bytes: int
    stats: DatasetStats


@dataclass(frozen=True)
class ExampleRow:
    """An example; `number` counts from 1 within the version, `row` within its source."""

    number: int
    row: int
    example: dict[str, Any]


@dataclass(frozen=True)
class DatasetDiff:
    """Two versions side by side, and what their examples have in common."""

    older: DatasetSummary
    newer: DatasetSummary
    difference: Difference


@dataclass(frozen=True)
class DatasetLineage:
    """Where a version came from, and the runs that it went into."""

    version: str
    made_from: dict[str, Any]
    runs: list[RunUse]


# --- pages -----------------------------------------------------------------------------------


def list_datasets(
    services: Services, tenant_id: str, *, search: str = "", after: str | None, limit: int
) -> tuple[list[DatasetSummary], bool]:
    """A page of datasets by their newest versions, newest first; `after` is the last name seen.

    `search` is a part of their names, in any case.

    Raises:
        NotFound: there is no dataset `after`.
    """
    home = services.home(tenant_id)
    newest = {
        entry.name: entry
        for entry in home.entries("dataset")
        if search.casefold() in entry.name.casefold()
    }
    entries = sorted(newest.values(), key=lambda entry: (entry.since, entry.name), reverse=True)
    page, has_more = _page(entries, [entry.name for entry in entries], after, limit)
    return [_summary(home, entry) for entry in page], has_more


def newest_names(services: Services, tenant_id: str, *, most: int) -> list[str]:
    """The names of datasets, to choose from: those that changed last, at most `most`."""
    entries = services.home(tenant_id).entries("dataset")
    return list(dict.fromkeys(entry.name for entry in reversed(entries)))[:most]


def list_versions(
    services: Services, tenant_id: str, name: str, *, after: str | None, limit: int
) -> tuple[list[DatasetSummary], bool]:
    """A page of the versions that `name` points or pointed to; `after` is the last version seen.

    Raises:
        NotFound: there is no such dataset, or no version `after` of it.
    """
    home = services.home(tenant_id)
    home.find("dataset", name)
    versions = {entry.id: entry for entry in home.entries("dataset") if entry.name == name}
    entries = list(reversed(versions.values()))
    page, has_more = _page(entries, [entry.id for entry in entries], after, limit)
    return [_summary(home, entry) for entry in page], has_more


def _page(
    items: Sequence[T], keys: Sequence[str], after: str | None, limit: int
) -> tuple[Sequence[T], bool]:
    """The `limit` items behind the one whose key is `after`, and whether more follow."""
    if after is not None and after not in keys:
        raise NotFound(f"the list has no entry {after!r}", hint="begin at the first page")
    start = keys.index(after) + 1 if after is not None else 0
    return items[start : start + limit], len(items) > start + limit


def get_dataset(services: Services, tenant_id: str, reference: str) -> DatasetSummary:
    """The version of NAME, NAME@VERSION or an id.

    Raises:
        NotFound: there is none.
    """
    home = services.home(tenant_id)
    return _summary(home, home.find("dataset", reference))


def _summary(home: Home, entry: NameEntry) -> DatasetSummary:
    return _summarize(entry.name, open_version(home.datasets / entry.id), since=entry.since)


def _summarize(name: str, version: DatasetVersion, *, since: str) -> DatasetSummary:
    view = view_version(name, version, imported=since)
    return DatasetSummary(
        name=name,
        version=view.version,
        created_at=since,
        source=view.source,
        encoding=view.encoding,
        num_files=view.num_files,
        left_out=view.left_out,
        num_bytes=version.num_bytes,
        stats=view.stats,
    )


def _made_from(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    return manifest.lineage if manifest is not None else {}


def list_rows(
    services: Services, tenant_id: str, reference: str, *, after: int, limit: int
) -> tuple[list[ExampleRow], bool]:
    """A page of examples; `after` is the last number seen.

    Raises:
        NotFound: there is no such dataset.
    """
    version = find_version(services.home(tenant_id), reference)
    examples = read_some_examples(version, skip=after, limit=limit)
    rows = [
        ExampleRow(number, row, as_record(example))
        for number, (row, example) in enumerate(examples, start=after + 1)
    ]
    return rows, after + len(rows) < version.num_examples


def list_rejected(
    services: Services, tenant_id: str, reference: str, *, after: int, limit: int
) -> tuple[list[LeftOut], bool]:
    """A page of rows that were left out, and why; `after` is how many were seen.

    Raises:
        NotFound: there is no such dataset.
    """
    version = find_version(services.home(tenant_id), reference)
    rows = list(islice(read_left_out(version), after, after + limit + 1))
    return rows[:limit], len(rows) > limit


# --- a version in full -----------------------------------------------------------------------


def lineage(services: Services, tenant_id: str, reference: str) -> DatasetLineage:
    """Where a version came from and went.

    Raises:
        NotFound: there is no such dataset.
    """
    home = services.home(tenant_id)
    version = find_version(home, reference)
    return DatasetLineage(version.id, _made_from(version.folder), runs_using(home, version.id))


def diff(services: Services, tenant_id: str, older: str, newer: str) -> DatasetDiff:
    """Compare two versions by content.

    Raises:
        NotFound: one of them does not exist.
    """
    home = services.home(tenant_id)
    view = dataset_versions.diff_datasets(home, older, newer)
    return DatasetDiff(
        get_dataset(services, tenant_id, older),
        get_dataset(services, tenant_id, newer),
        view.difference,
    )


def split(
    services: Services,
    tenant_id: str,
    reference: str,
    *,
    percent: int,
    seed: int,
    names: tuple[str, str],
) -> list[DatasetSummary]:
    """Make two versions of one: the rest, and a random `percent` held out.

    Raises:
        NameInvalid: a name breaks the rules.
        NotFound: there is no such dataset.
        RecipeInvalid: `percent` is not from 1 to 50.
        DatasetRejected: there are too few examples for two parts.
    """
    home = services.home(tenant_id)
    dataset_versions.split_dataset(home, reference, percent=percent, seed=seed, names=names)
    return [get_dataset(services, tenant_id, name) for name in names]


def export_file(
    services: Services, tenant_id: str, reference: str, *, format: str, id: str
) -> Path:
    """A version as JSON Lines, in a file that is the caller's to delete; `id` is its own.

    Written in full before the first byte is sent, so that nobody takes half of it for all.

    Raises:
        NotFound: the dataset or the format does not exist.
        DatasetRejected: an example does not fit the format.
    """
    home = services.home(tenant_id)
    folder = home.cache / "exports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{id}.jsonl"
    dataset_versions.export_dataset(home, reference, path, format=format)
    return path


def delete(services: Services, tenant_id: str, reference: str) -> dataset_versions.Deleted:
    """Forget NAME and all its versions, or NAME@VERSION.

    Raises:
        NotFound: there is no such dataset.
        InUse: a run was made with one of the versions, or a job that has not ended pins it.
    """
    home = services.home(tenant_id)
    found = home.find("dataset", reference)
    ids = {entry.id for entry in home.entries("dataset") if entry.name == found.name}
    if reference != found.name:
        ids = {found.id}
    for job in _unfinished(services, tenant_id):
        if ids & set(job.spec["pins"].values()):
            raise InUse(
                f"job {job.id} ({job.status}) is to use dataset {found.name}",
                hint="wait for it, or cancel it",
            )
    return dataset_versions.delete_dataset(home, reference)


def _unfinished(services: Services, tenant_id: str) -> Sequence[Job]:
    unfinished = select(Job).where(Job.tenant_id == tenant_id, Job.status.not_in(TERMINAL))
    with services.database.reading() as db:
        return db.scalars(unfinished).all()
