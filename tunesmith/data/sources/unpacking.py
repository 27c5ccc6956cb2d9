"""Folders and packed files as streams: nothing is written by name or may grow without end."""

# pyarrow ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import gzip
import io
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from tempfile import TemporaryFile
from typing import BinaryIO, cast

import pyarrow as pa

from tunesmith.data.sources.datafile import ByteStream, DataFile, one_line
from tunesmith.data.sources.folders import (
    ARCHIVES,
    MAX_FILES,
    MAX_UNPACKED_BYTES,
    PACKED,
    Chosen,
    choose_files,
    choose_in_folder,
    kind_of,
)
from tunesmith.errors import DatasetRejected, TunesmithError

MAX_RATIO = 200  # JSON Lines shrink 5 to 30 times; a bomb of zeros 1000 times
RATIO_COUNTS_FROM_BYTES = 100_000_000  # below it, any ratio is harmless
_LONGEST_PATH = 300  # in a message: the end is what tells the files of a folder apart
_MAX_DIRECTORY_BYTES = 1_000_000  # zipfile holds the whole directory in memory

_NESTED = {*ARCHIVES, *PACKED}
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    NotImplementedError,
    zlib.error,
    zipfile.BadZipFile,
)


def data_files(path: Path, *, kinds: Collection[str]) -> Iterator[DataFile]:
    """The files of rows in `path`: itself, unpacked if it is compressed, or those it holds.

    Each is open until the next is asked for. What a folder or a .zip holds comes in the order of
    names.

    Args:
        path: a folder, or a file whose name says what it is, such as `chats.jsonl.gz`.
        kinds: the suffixes that can be read.

    Raises:
        DatasetRejected: an unknown kind, a damaged or unsafe archive, or one over the limits.
    """
    name = one_line(path.name or path.resolve().name)
    if path.is_dir():
        files = {found: path / found for found in choose_in_folder(path, kinds=kinds).files}
        total = Budget(name, sum(file.stat().st_size for file in files.values()))
        for found, file in files.items():
            shown = f"{name}/{one_line(found, longest=_LONGEST_PATH)}"
            yield from _data_file(file, name=shown, kinds=kinds, budget=total)
    elif path.suffix.lower() == ".zip":
        with path.open("rb") as archive:
            yield from _members(archive, name=name, kinds=kinds)
    else:
        budget = Budget(name, path.stat().st_size)
        yield from _data_file(path, name=name, kinds=kinds, budget=budget)


def left_out(path: Path, *, kinds: Collection[str]) -> tuple[str, ...]:
    """The files in a folder or .zip that `data_files` passes over.

    Raises:
        DatasetRejected: as `data_files`.
    """
    if path.is_dir():
        return choose_in_folder(path, kinds=kinds).left_out
    if path.suffix.lower() != ".zip":
        return ()
    with path.open("rb") as file, _open_archive(file, name=one_line(path.name)) as archive:
        _, chosen = _choose_members(archive, name=one_line(path.name), kinds=kinds)
        return chosen.left_out


def _data_file(
    path: Path, *, name: str, kinds: Collection[str], budget: "Budget"
) -> Iterator[DataFile]:
    size = path.stat().st_size
    *_, inner, outer = ["", "", *(suffix.lower() for suffix in path.suffixes)]
    with path.open("rb") as file:
        if outer in _OPENERS:
            compression, open_stream = _OPENERS[outer]
            _check_kind(inner, kinds, name=name, packed_as=outer)
            with closing(open_stream(file)) as unpacked:
                stream = _Limited(unpacked, name=name, budget=budget)
                yield DataFile(name, inner, stream, size, compression)
        else:
            _check_kind(outer, kinds, name=name)
            yield DataFile(name, outer, file, size)


class Budget:
    """How much a file may still unpack to."""

    def __init__(self, name: str, num_packed_bytes: int) -> None:
        self._name = name
        self._num_packed_bytes = num_packed_bytes
        self.num_unpacked_bytes = 0

    def spend(self, num_bytes: int) -> None:
        """Count what was unpacked.

        Raises:
            DatasetRejected: it is more than the limits allow.
        """
        self.num_unpacked_bytes += num_bytes
        total = self.num_unpacked_bytes
        if total > MAX_UNPACKED_BYTES:
            problem = f"unpacks to more than {MAX_UNPACKED_BYTES / 1e9:g} GB"
        elif total > RATIO_COUNTS_FROM_BYTES and total > MAX_RATIO * self._num_packed_bytes:
            problem = f"unpacks to more than {MAX_RATIO} times its size"
        else:
            return
        raise DatasetRejected(
            f"{self._name}: {problem}", hint="no dataset does; look at what it holds"
        )


def random_access(file: DataFile) -> BinaryIO:
    """The bytes of `file` for readers that jump; a packed one is unpacked into a nameless file."""
    if not file.compression:
        return cast(BinaryIO, file.stream)
    spool = TemporaryFile()  # noqa: SIM115 closed by the caller
    shutil.copyfileobj(file.stream, spool)
    spool.seek(0)
    return cast(BinaryIO, spool)


class _Limited:
    """A stream that counts what it gives, and says in one sentence what is damaged."""

    def __init__(self, stream: ByteStream, *, name: str, budget: Budget) -> None:
        self._stream, self._name, self._budget = stream, name, budget

    def read(self, size: int = -1, /) -> bytes:
        try:
            content = self._stream.read(size)
        except _DAMAGE as error:
            raise DatasetRejected(
                f"{self._name}: damaged: {one_line(error)}",
                hint="copy or pack the file again",
            ) from error
        self._budget.spend(len(content))
        return content


def _open_zstd(file: BinaryIO) -> BinaryIO:
    return pa.CompressedInputStream(pa.PythonFile(file, mode="r"), "zstd")


def _open_gzip(file: BinaryIO) -> BinaryIO:
    return cast(BinaryIO, gzip.GzipFile(fileobj=file))


_OPENERS: Mapping[str, tuple[str, Callable[[BinaryIO], BinaryIO]]] = {
    ".gz": ("gzip", _open_gzip),
    ".zst": ("zstd", _open_zstd),
}


def _check_kind(kind: str, kinds: Collection[str], *, name: str, packed_as: str = "") -> None:
    if kind in kinds:
        return
    packed = ", ".join([*PACKED, ".zip"])
    if packed_as and not kind:
        raise DatasetRejected(
            f"{name}: the name does not say what is packed in it",
            hint=f"name it, for example, data.jsonl{packed_as}",
        )
    hint = "unpack it, or pack the files as .zip" if kind in _NESTED else f"packed: {packed}"
    raise DatasetRejected(
        f"{name}: files of kind {one_line(kind)!r} are not read",
        hint=f"there are: {', '.join(kinds)}; {hint}",
    )


# --- zip -------------------------------------------------------------------------------------


def _members(file: BinaryIO, *, name: str, kinds: Collection[str]) -> Iterator[DataFile]:
    total = Budget(name, file.seek(0, io.SEEK_END))
    with _open_archive(file, name=name) as archive:
        members, chosen = _choose_members(archive, name=name, kinds=kinds)
        for found in chosen.files:
            member, shown = members[found], f"{name} ({one_line(found)})"
            with _open_member(archive, member, shown=shown) as unpacked:
                stream = _Limited(unpacked, name=shown, budget=total)
                yield DataFile(shown, kind_of(found), stream, member.compress_size, "zip")


def _open_archive(file: BinaryIO, *, name: str) -> zipfile.ZipFile:
    try:
        _check_directory_size(file, name=name)
        return zipfile.ZipFile(file)
    except TunesmithError:
        raise
    except (*_DAMAGE, struct.error) as error:
        raise DatasetRejected(
            f"{name}: not a valid .zip file: {one_line(error)}", hint="pack the files again"
        ) from error


def _open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, *, shown: str) -> BinaryIO:
    try:
        return cast(BinaryIO, archive.open(member))
    except _DAMAGE as error:
        raise DatasetRejected(
            f"{shown}: cannot be unpacked: {one_line(error)}", hint="pack the files again"
        ) from error


def _check_directory_size(file: BinaryIO, *, name: str) -> None:
    """Refuse a directory of millions of members before it is held in memory.

    Raises:
        DatasetRejected: it is one.
        BadZipFile: there is no directory.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - 22 - 65_535))  # the end record and the longest comment
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise zipfile.BadZipFile("no directory of members was found")
    num_members, num_bytes = struct.unpack_from("<HL", tail, at + 10)
    if num_members > MAX_FILES or num_bytes > _MAX_DIRECTORY_BYTES:
        raise DatasetRejected(
            f"{name} has more than {MAX_FILES} files", hint="join them into fewer files"
        )


def _choose_members(
    archive: zipfile.ZipFile, *, name: str, kinds: Collection[str]
) -> tuple[Mapping[str, zipfile.ZipInfo], Chosen]:
    """The members of an archive by name, and which of them to read.

    Raises:
        DatasetRejected: as `choose_files`, or a member is not harmless.
    """
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if member.filename.endswith("/"):  # a folder
            continue
        if problem := _problem(member, members):
            raise DatasetRejected(
                f"{name} ({one_line(member.filename)}): {problem}",
                hint="pack plain data files only",
            )
        members[member.filename] = member
    return members, choose_files(members, kinds=kinds, where=name)


def _problem(member: zipfile.ZipInfo, names: Collection[str]) -> str:
    path = PurePosixPath(member.filename.replace("\\", "/"))
    mode = stat.S_IFMT(member.external_attr >> 16)
    if not path.parts:
        return "has no name"
    if path.is_absolute() or ".." in path.parts or path.drive or ":" in path.parts[0]:
        return "its name leads out of the archive"
    if mode not in (0, stat.S_IFREG):
        return "is a link or a device, not a file"
    if member.flag_bits & 1:
        return "is encrypted"
    if member.filename in names:
        return "is there twice"
    if path.suffix.lower() in _NESTED:
        return "is packed once more"
    return ""
