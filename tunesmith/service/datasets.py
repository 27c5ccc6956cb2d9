"""Datasets: importing, listing, and what the model would see of them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tunesmith.artifacts import read_manifest
from tunesmith.data.dataset import DatasetVersion, import_dataset, open_version, read_examples
from tunesmith.data.preview import TokenView, preview_tokens
from tunesmith.data.statistics import DatasetStats
from tunesmith.schema import check_name
from tunesmith.service.models import find_base
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
        on_progress=on_progress,
    )
    home.point("dataset", name, version.id)
    return _view(name, version, imported="now")


def list_datasets(home: Home) -> list[DatasetView]:
    """Every version that a name points or pointed to, newest first."""
    newest_first = {(e.name, e.id): e.since for e in home.entries("dataset")}
    return [
        _view(name, open_version(home.datasets / version_id), imported=since)
        for (name, version_id), since in reversed(newest_first.items())
        if read_manifest(home.datasets / version_id) is not None
    ]


def _view(name: str, version: DatasetVersion, *, imported: str) -> DatasetView:
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
    version = open_version(home.datasets / home.find("dataset", reference).id)
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
