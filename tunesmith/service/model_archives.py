"""A model as one file to take along: it names its base model, not where the server keeps it."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tunesmith.artifacts import MANIFEST, FileEntry, Manifest, read_manifest
from tunesmith.errors import ArtifactCorrupt
from tunesmith.service.archives import Member, tar_stream
from tunesmith.service.model_pages import get_row, model_folder
from tunesmith.service.services import Services

# The files that name the base's folder; see `modeling/answer.py` and `modeling/methods/lora.py`.
_SETTINGS, _ADAPTER = "tunesmith.json", "adapter_config.json"


def archive(services: Services, tenant_id: str, model_id: str) -> tuple[str, Iterator[bytes]]:
    """A name for the archive of a model, and the archive itself: a tar file, as it is made.

    Raises:
        NotFound: the tenant has no such model.
        ArtifactCorrupt: its files are gone.
    """
    with services.database.reading() as db:
        model = get_row(db, tenant_id, model_id)
    folder = model_folder(services, model)
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactCorrupt(f"the files of model {model.name}@{model.version} are gone")
    name = f"{model.name}-{model.version}"
    return f"{name}.tar", tar_stream(_members(folder, manifest, base=model.base, prefix=name))


def _members(folder: Path, manifest: Manifest, *, base: str, prefix: str) -> Iterator[Member]:
    rewritten = _without_places(folder, manifest.files, base=base)
    files = {**manifest.files, **{name: _entry(text) for name, text in rewritten.items()}}
    for name in sorted(files):
        yield Member(f"{prefix}/{name}", rewritten.get(name, folder / name))
    written = manifest.model_copy(update={"files": files}).model_dump_json(indent=2)
    yield Member(f"{prefix}/{MANIFEST}", f"{written}\n".encode())


def _without_places(folder: Path, names: Iterable[str], *, base: str) -> dict[str, bytes]:
    """What the files say that would name a folder of the server."""
    rewritten: dict[str, bytes] = {}
    if _SETTINGS in names:
        settings = _read(folder / _SETTINGS)
        settings.get("base", {}).pop("folder", None)  # its name and digest stay
        rewritten[_SETTINGS] = _written(settings)
    if _ADAPTER in names:
        rewritten[_ADAPTER] = _written(
            {**_read(folder / _ADAPTER), "base_model_name_or_path": base}
        )
    return rewritten


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8"))


def _written(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()


def _entry(content: bytes) -> FileEntry:
    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
