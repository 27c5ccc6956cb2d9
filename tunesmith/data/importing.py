"""The import stage: a path or an address becomes a dataset version."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tunesmith.data.dataset import DatasetVersion, Standardize, import_dataset
from tunesmith.data.formats.dataset_info import choose_dataset, read_dataset_info
from tunesmith.data.job import ImportJob
from tunesmith.data.sources.fetching import fetch_source, harmless_name, is_remote
from tunesmith.errors import NotFound
from tunesmith.events import Emit, PhaseStarted, counting

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def run_import(job: ImportJob, *, emit: Emit) -> DatasetVersion:
    """Import the source of `job`, or find that the version is already there.

    Raises:
        NotFound: there is no such file, entry or format.
        FetchFailed: an address could not be fetched.
        NotEnoughDisk: it would not fit on the disk.
        DatasetRejected: the file cannot be turned into a dataset version. Nothing is left behind.
    """
    count = counting(emit, unit="rows")
    Path(job.scratch).mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=job.scratch) as scratch:
        found = _locate(job, scratch=Path(scratch), emit=emit)
        emit(PhaseStarted(phase="importing", detail=found.path.name))
        return import_dataset(
            found.path,
            into=Path(job.into),
            format=found.format or job.format,
            mapping=job.mapping,
            max_rejected_percent=job.max_rejected_percent,
            deduplicate=job.deduplicate,
            standardize=found.standardize,
            provenance=found.provenance,
            on_progress=lambda num_rows: count(num_rows, None),
        )


@dataclass(frozen=True)
class _Found:
    """A local file or folder to import, and what is known of it beforehand."""

    path: Path
    provenance: dict[str, Any] = field(default_factory=dict[str, Any])
    format: str | None = None
    standardize: Standardize | None = None


def _locate(job: ImportJob, *, scratch: Path, emit: Emit) -> _Found:
    if job.entry is not None:
        path = Path(job.source)
        listing = path / "dataset_info.json" if path.is_dir() else path
        info = choose_dataset(read_dataset_info(listing), job.entry)
        if info.file is None:
            raise NotFound(
                f"{job.entry} of {job.source} is on a hub",
                hint=f"import hf://datasets/{info.hub_id}@REVISION/FILE",
            )
        return _Found(info.file, {"entry": job.entry}, info.format, info.standardize)
    if is_remote(job.source):
        emit(PhaseStarted(phase="fetching"))
        count = counting(emit, unit="bytes")
        fetched = fetch_source(job.source, into=scratch, on_progress=count)
        provenance: dict[str, Any] = {"origin": fetched.origin, "revision": fetched.revision}
        if fetched.left_out:
            provenance["left_out"] = list(fetched.left_out)
        return _Found(fetched.path, provenance)
    path = Path(job.source)
    if _HUB_ID.fullmatch(job.source) and not path.exists():
        raise NotFound(
            f"there is no file {job.source}",
            hint="check the path; of the hub's datasets, import "
            "hf://datasets/OWNER/NAME@REVISION/FILE",
        )
    if not job.name:
        return _Found(path)
    return _Found(named(path, job.name, scratch=scratch), {"source": job.name})


def named(path: Path, name: str, *, scratch: Path) -> Path:
    """`path` under the name that its user knows it by, so that whatever is said of it says that."""
    link = scratch / harmless_name(name)
    link.symlink_to(path.resolve())
    return link
