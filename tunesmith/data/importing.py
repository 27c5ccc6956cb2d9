"""The import stage: a path or an address becomes a dataset version."""

from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tunesmith.data.dataset import DatasetVersion, Standardize, import_dataset
from tunesmith.data.formats.dataset_info import choose_dataset, read_dataset_info
from tunesmith.data.job import ImportJob
from tunesmith.data.sources.fetching import fetch_source, harmless_name, is_remote
from tunesmith.errors import NotFound
from tunesmith.events import Emit, PhaseStarted, counting


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
    """A local file to import, and what is known of it beforehand."""

    path: Path
    provenance: dict[str, str] = field(default_factory=dict[str, str])
    format: str | None = None
    standardize: Standardize | None = None


def _locate(job: ImportJob, *, scratch: Path, emit: Emit) -> _Found:
    if job.entry is not None:
        info = choose_dataset(read_dataset_info(Path(job.source)), job.entry)
        if info.file is None:
            raise NotFound(
                f"{job.entry} of {job.source} is on a hub",
                hint=f"import hf://datasets/{info.hub_id}@REVISION/FILE",
            )
        return _Found(info.file, {"entry": job.entry}, info.format, info.standardize)
    if is_remote(job.source):
        emit(PhaseStarted(phase="fetching"))
        fetched = fetch_source(job.source, into=scratch)
        return _Found(fetched.path, {"origin": fetched.origin, "revision": fetched.revision})
    path = Path(job.source)
    if not job.name:
        return _Found(path)
    return _Found(named(path, job.name, scratch=scratch), {"source": job.name})


def named(path: Path, name: str, *, scratch: Path) -> Path:
    """`path` under the name that its user knows it by, so that whatever is said of it says that."""
    link = scratch / harmless_name(name)
    link.symlink_to(path.resolve())
    return link
