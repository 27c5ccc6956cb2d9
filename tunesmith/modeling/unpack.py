"""An archive of a model -> its files in a folder. Nothing else that it holds touches the disk."""

import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from tunesmith.errors import ModelRejected, NotEnoughDisk

# What models and adapters are made of: no code, no pickles.
MODEL_FILES = ("*.json", "*.safetensors", "*.jinja", "tokenizer.model")
_ROOTS = ("adapter_config.json", "config.json")  # one of them lies where the model lies
_MAX_FILES = 10_000
_MAX_RATIO = 20  # weights hardly shrink; a bomb of zeros shrinks a thousandfold
_RATIO_COUNTS_FROM_BYTES = 10_000_000
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError)


@dataclass(frozen=True)
class _Member:
    name: str
    num_bytes: int
    is_plain: bool  # neither a link nor a device, and not encrypted


class _Archive(Protocol):
    def members(self) -> Iterator[_Member]: ...

    def open(self, name: str) -> IO[bytes]: ...


def unpack_model(archive: Path, into: Path, *, shown: str) -> list[str]:
    """Write the files of the model in `archive`, a tar file or a zip, into the folder `into`.

    They are taken from the folder of the archive that has a config.json or adapter_config.json.

    Args:
        archive: the file, packed with gzip, bzip2 or xz, or not at all.
        into: an empty folder.
        shown: what to call the archive.

    Returns:
        The names of what was left out: other kinds of files, and other folders.

    Raises:
        ModelRejected: it is no archive, damaged, far larger than a model's, or has no model, links,
            or a name twice.
        NotEnoughDisk: there is no room for it.
    """
    try:
        with _opened(archive, shown=shown) as opened:
            members = _harmless(opened, num_packed_bytes=archive.stat().st_size, shown=shown)
            chosen = _choose(members, shown=shown)
            check_disk(into, sum(members[name].num_bytes for name in chosen))
            for name in chosen:
                with opened.open(name) as source, (into / _bare(name)).open("xb") as target:
                    shutil.copyfileobj(source, target)
    except _DAMAGE as error:
        raise ModelRejected(f"{shown} is damaged: {error}", hint="pack it again") from error
    return sorted(str(PurePosixPath(name)) for name in members.keys() - set(chosen))


def _bare(name: str) -> str:
    return PurePosixPath(name).name


def _harmless(archive: _Archive, *, num_packed_bytes: int, shown: str) -> Mapping[str, _Member]:
    members: dict[str, _Member] = {}
    num_bytes = 0
    for member in archive.members():
        num_bytes += member.num_bytes
        too_large = num_bytes > max(_RATIO_COUNTS_FROM_BYTES, _MAX_RATIO * num_packed_bytes)
        if len(members) >= _MAX_FILES or too_large:
            raise ModelRejected(
                f"{shown} holds more than {_MAX_FILES:,} files, or {_MAX_RATIO} times its size",
                hint="pack one model's files only",
            )
        if not member.is_plain or member.name in members:
            problem = "is there twice" if member.name in members else "is no plain file"
            raise ModelRejected(f"{shown}: {member.name} {problem}", hint="pack plain files only")
        members[member.name] = member
    return members


def _choose(members: Mapping[str, _Member], *, shown: str) -> list[str]:
    roots = [name for name in members if _bare(name) in _ROOTS]
    if not roots:
        raise ModelRejected(
            f"{shown} holds no model: there is no config.json and no adapter_config.json",
            hint="pack the folder in Hugging Face or PEFT layout",
        )
    root = min(roots, key=lambda name: (len(PurePosixPath(name).parts), _ROOTS.index(_bare(name))))
    folder = PurePosixPath(root).parent
    here = [name for name in members if PurePosixPath(name).parent == folder]
    return [name for name in here if any(fnmatch(_bare(name), kind) for kind in MODEL_FILES)]


def check_disk(folder: Path, needed: int) -> None:
    """Refuse a model that does not fit on the disk of `folder`.

    Raises:
        NotEnoughDisk: with both figures.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise NotEnoughDisk(
            f"the model needs {needed / 1e9:.1f} GB of disk, "
            f"{free / 1e9:.1f} GB are free at {folder}"
        )


@contextmanager
def _opened(archive: Path, *, shown: str) -> Iterator[_Archive]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield _Zip(file)
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as file:
            yield _Tar(file)
    else:
        raise ModelRejected(
            f"{shown} is neither a tar file nor a zip", hint="pack the model's folder as one"
        )


@dataclass(frozen=True)
class _Zip:
    file: zipfile.ZipFile

    def members(self) -> Iterator[_Member]:
        for member in self.file.infolist():
            if not member.is_dir():
                kind = (member.external_attr >> 16) & 0o170000
                is_plain = kind in (0, 0o100000) and not member.flag_bits & 1
                yield _Member(member.filename, member.file_size, is_plain)

    def open(self, name: str) -> IO[bytes]:
        return self.file.open(name)


@dataclass(frozen=True)
class _Tar:
    file: tarfile.TarFile

    def members(self) -> Iterator[_Member]:
        for member in self.file:
            if not member.isdir():
                yield _Member(member.name, member.size, member.isfile())

    def open(self, name: str) -> IO[bytes]:
        opened = self.file.extractfile(name)
        assert opened is not None, f"{name} is a plain file"
        return opened
