"""Folders that are either complete or not there: the commit protocol for everything we store.

Write into a temporary sibling, fsync files and folders, write `manifest.json` with hashes last,
rename, fsync the parent. Readers ignore a folder without a valid manifest, so a crash at any point
leaves the old state or the new one, never a mix.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from tunesmith.errors import ArtifactCorrupt, Conflict, NotFound
from tunesmith.failpoints import failpoint
from tunesmith.schema import Strict

MANIFEST = "manifest.json"
_TEMPORARY = ".partial-"


class FileEntry(Strict):
    """Size in bytes and SHA-256 of one file of an artifact."""

    bytes: int
    sha256: str


class Manifest(Strict):
    """What a folder holds and what it was made from."""

    kind: str
    files: dict[str, FileEntry]
    lineage: dict[str, Any] = Field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 over the names and hashes of the files: the identity of the content."""
        text = "\n".join(f"{name} {entry.sha256}" for name, entry in sorted(self.files.items()))
        return hashlib.sha256(text.encode()).hexdigest()


def commit_folder(
    target: Path, *, kind: str, write: Callable[[Path], None], lineage: dict[str, Any] | None = None
) -> Manifest:
    """Make the folder `target` out of what `write` puts into a temporary one, all or nothing.

    A `target` that exists is replaced: callers ask `is_intact` first, so only a damaged one is.
    `kind` also names the failpoints: `<kind>.before_rename`.

    Raises:
        OSError: the disk refused; nothing of `target` was changed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f"{_TEMPORARY}{target.name}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        failpoint(f"{kind}.before_write")
        write(temporary)
        failpoint(f"{kind}.before_manifest")
        manifest = _seal(temporary, kind=kind, lineage=lineage or {})
        failpoint(f"{kind}.before_rename")
        if target.exists():
            shutil.rmtree(target)
        os.rename(temporary, target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    fsync_folder(target.parent)
    failpoint(f"{kind}.after_rename")
    return manifest


def _seal(folder: Path, *, kind: str, lineage: dict[str, Any]) -> Manifest:
    files: dict[str, FileEntry] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            fsync_folder(path)
            continue
        files[path.relative_to(folder).as_posix()] = FileEntry(
            bytes=path.stat().st_size, sha256=sha256_file(path, sync=True)
        )
    manifest = Manifest(kind=kind, files=files, lineage=lineage)
    write_durably(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
    fsync_folder(folder)
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a committed folder, or None where there is no valid one."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError):
        return None


def verify(folder: Path) -> Manifest:
    """Hash every file of `folder` against its manifest.

    Raises:
        ArtifactCorrupt: no valid manifest, or a file is missing or differs.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        raise ArtifactCorrupt(f"{folder} has no valid {MANIFEST}", hint="the folder is incomplete")
    for name, entry in manifest.files.items():
        if not _matches(folder / name, entry):
            raise ArtifactCorrupt(
                f"{folder / name} does not match its manifest", hint="the file was changed"
            )
    return manifest


def _matches(path: Path, entry: FileEntry) -> bool:
    return (
        path.is_file() and path.stat().st_size == entry.bytes and sha256_file(path) == entry.sha256
    )


def is_intact(folder: Path) -> bool:
    """Whether `folder` is committed and every file matches its hash."""
    try:
        verify(folder)
    except (ArtifactCorrupt, OSError):
        return False
    return True


def remove_leftovers(parent: Path) -> None:
    """Delete what interrupted commits and deletions left in `parent`.

    Call it only while nobody else writes there.
    """
    for leftover in parent.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def delete_folder(folder: Path) -> None:
    """Delete a committed folder. Readers see all of it or nothing, also where this is cut short."""
    leftover = folder.with_name(f"{_TEMPORARY}{folder.name}")
    os.rename(folder, leftover)
    shutil.rmtree(leftover)


def sha256_file(path: Path, *, sync: bool = False) -> str:
    """SHA-256 of a file in hexadecimal; with `sync`, its content is also made durable."""
    with path.open("rb") as file:
        hasher = hashlib.file_digest(file, "sha256")
        if sync:
            os.fsync(file.fileno())
    return hasher.hexdigest()


def fsync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def taking_turns(lock: Path) -> Generator[None]:
    """Within, no other thread or process is within with the same file `lock`, which is made.

    The kernel lets go of it however a process dies.
    """
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path, *, overwrite: bool) -> Generator[Path]:
    """Where to write what becomes the file `path` as a whole, or not at all.

    Raises:
        Conflict: there is such a file and it is to stay, or a folder.
        NotFound: the folder that it is to be in does not exist.
    """
    if path.is_dir():
        raise Conflict(f"{path} is a folder", hint="name a file in it")
    if path.exists() and not overwrite:
        raise Conflict(f"{path} exists", hint="choose another file, or add --overwrite")
    if not path.parent.is_dir():
        raise NotFound(f"there is no folder {path.parent}", hint="make it first")
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_durably(path: Path, text: str, *, mode: int = 0o666) -> None:
    """Replace the file `path` by `text`, durable on return, never half-written.

    `mode` is who may read and write it, before the umask.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    fsync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`write_durably` of readable JSON."""
    write_durably(path, json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n")
