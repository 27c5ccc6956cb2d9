"""Dataset versions made of others, compared, exported and deleted."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.artifacts import MANIFEST, read_manifest
from tunesmith.data.comparison import Difference, compare_versions
from tunesmith.data.config import SplitValidation
from tunesmith.data.dataset import DatasetVersion, derive_version, read_examples
from tunesmith.data.export import export_version
from tunesmith.data.job import MixJob
from tunesmith.data.mix import Share
from tunesmith.data.mixing import run_mix
from tunesmith.data.split import split_examples
from tunesmith.data.storage import NumberedExample
from tunesmith.errors import DatasetRejected, InUse, RecipeInvalid
from tunesmith.schema import check_name, validate
from tunesmith.service.datasets import DatasetView, find_version, runs_using, view_version
from tunesmith.service.models import find_base
from tunesmith.store.home import Home
from tunesmith.training.config import TrainConfig


@dataclass(frozen=True)
class DiffView:
    """Two versions side by side, and what their examples have in common."""

    older: DatasetView
    newer: DatasetView
    difference: Difference


def diff_datasets(home: Home, older: str, newer: str) -> DiffView:
    """Compare two versions by content.

    Raises:
        NotFound: one of them does not exist.
    """
    before, after = find_version(home, older), find_version(home, newer)
    return DiffView(
        older=view_version(older, before),
        newer=view_version(newer, after),
        difference=compare_versions(before, after),
    )


def export_dataset(
    home: Home, reference: str, into: Path, *, format: str, overwrite: bool = False
) -> int:
    """Write a version as JSON Lines; return the number of examples.

    Raises:
        NotFound: the dataset or the format does not exist.
        DatasetRejected: the file exists, or an example does not fit the format.
    """
    version = find_version(home, reference)
    return export_version(version, into, format=format, overwrite=overwrite)


def split_dataset(
    home: Home, reference: str, *, percent: int, seed: int, names: tuple[str, str]
) -> tuple[DatasetView, DatasetView]:
    """Make two versions of one: a random `percent` of the examples held out, and the rest.

    `names` are what to call the rest and the held-out part.

    Raises:
        NameInvalid: a name breaks the rules.
        NotFound: there is no such dataset.
        RecipeInvalid: `percent` is not from 1 to 50.
        DatasetRejected: there are too few examples for two parts.
    """
    for name in names:
        check_name(name)
    version = find_version(home, reference)
    settings = {"percent": percent, "max_examples": version.num_examples, "seed": seed}
    validation = validate(SplitValidation, settings, source="data split")
    split = split_examples(np.arange(version.num_examples), validation, seed=seed)
    if len(split.validation) == 0:
        raise DatasetRejected(f"dataset {reference} has a single example, two parts need two")
    parts = zip(names, (split.train, split.validation), strict=True)
    first, second = (
        _derived(
            home,
            name,
            _chosen(version, indices),
            made=f"{100 * len(indices) / version.num_examples:.3g} % of {reference}",
            lineage={"split_of": version.id, "percent": percent, "seed": seed},
        )
        for name, indices in parts
    )
    return first, second


@dataclass(frozen=True)
class MixView:
    """What a mix comes to: `ratio` is the general share of all tokens; `made` the new version."""

    ratio: float
    task: Share
    general: Share
    made: DatasetView | None


def mix_datasets(home: Home, task: str, *, config: TrainConfig, name: str | None) -> MixView:
    """Work out what the mix of `config` comes to beside `task`, and keep it as `name` if given.

    Tokens are counted under the model and data settings of `config`.

    Raises:
        NameInvalid: `name` breaks the rules.
        RecipeInvalid: `config` has no mix.
        NotFound: a dataset or the base model does not exist.
        DatasetRejected: the chat template refuses an example.
        ModelRejected: the base model cannot be used.
        FetchFailed: the base model is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    if name is not None:
        check_name(name)
    base = find_base(home, config.model).folder
    mixture = run_mix(
        mix_job(home, task, config=config, base=base, keep=name is not None, pins={}),
        emit=lambda event: None,
    )
    view = MixView(mixture.ratio, mixture.task, mixture.general, None)
    if name is None or mixture.made is None:
        return view
    home.point("dataset", name, mixture.made.id)
    return replace(view, made=view_version(name, mixture.made))


def mix_job(
    home: Home,
    task: str,
    *,
    config: TrainConfig,
    base: str,
    keep: bool,
    pins: Mapping[str, str],
) -> MixJob:
    """The job that mixes into `task`; `pins` are versions chosen before, by reference.

    Raises:
        RecipeInvalid: `config` has no mix.
        NotFound: a dataset does not exist.
    """
    mix = config.data.mix
    if mix is None:
        raise RecipeInvalid("the recipe mixes nothing in", hint="set data.mix.dataset")
    task_id, general_id = (
        pins.get(reference) or home.find("dataset", reference).id
        for reference in (task, mix.dataset)
    )
    return MixJob(
        task=str(home.datasets / task_id),
        task_name=task,
        general=str(home.datasets / general_id),
        base=base,
        data=config.data,
        seed=config.seed,
        into=str(home.datasets) if keep else None,
        cache=str(home.cache / "tokens"),
    )


@dataclass(frozen=True)
class Deleted:
    """The versions that a name pointed to, and those of them whose files are gone."""

    versions: list[str]
    removed: list[str]


def delete_dataset(home: Home, reference: str) -> Deleted:
    """Forget NAME and all its versions, or NAME@VERSION; remove files that no name points to.

    Raises:
        NotFound: there is no such dataset.
        InUse: a run was made with one of the versions.
    """
    found = home.find("dataset", reference)
    entries = [entry for entry in home.entries("dataset") if entry.name == found.name]
    ids = sorted({entry.id for entry in entries}) if reference == found.name else [found.id]
    for version_id in ids:
        runs = runs_using(home, version_id)
        if runs:
            raise InUse(
                f"dataset {found.name}@{version_id[:8]} is used by "
                f"{', '.join(f'{use.name} ({use.run})' for use in runs)}",
                hint="a run's data is kept as long as the run is",
            )
    for version_id in ids:
        home.forget("dataset", found.name, version_id)
    named = {entry.id for entry in home.entries("dataset")}
    removed = [version_id for version_id in ids if version_id not in named]
    for version_id in removed:
        _remove_files(home, version_id)
    return Deleted(ids, removed)


def _remove_files(home: Home, version_id: str) -> None:
    """Remove a version and the tokens made of it; what is half removed is no version any more."""
    folder = home.datasets / version_id
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    for tokens in (home.cache / "tokens").glob("*"):
        manifest = read_manifest(tokens)
        if manifest is not None and manifest.lineage.get("dataset") == version_id:
            shutil.rmtree(tokens, ignore_errors=True)


def _derived(
    home: Home,
    name: str,
    examples: Iterable[NumberedExample],
    *,
    made: str,
    lineage: dict[str, Any],
) -> DatasetView:
    version = derive_version(examples, into=home.datasets, made=made, lineage=lineage)
    home.point("dataset", name, version.id)
    return view_version(name, version)


def _chosen(version: DatasetVersion, indices: NDArray[np.int64]) -> Iterator[NumberedExample]:
    wanted = set(indices.tolist())
    numbered = enumerate(read_examples(version))
    return (example for index, example in numbered if index in wanted)
