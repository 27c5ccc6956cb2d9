"""Compressed files as streams: nothing is written by name, and nothing may grow without end."""

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
from tunesmith.errors import DatasetRejected, TunesmithError

MAX_UNPACKED_BYTES = 50 * 10**9  # more rows than a fine-tuning run can use
MAX_RATIO = 200  # JSON Lines shrink 5 to 30 times; a bomb of zeros 1000 times
RATIO_COUNTS_FROM_BYTES = 100_000_000  # below it, any ratio is harmless
MAX_MEMBERS = 1000
_MAX_DIRECTORY_BYTES = 1_000_000  # zipfile holds the whole directory in memory

_NESTED = {".zip", ".gz", ".tgz", ".zst", ".tar", ".bz2", ".xz", ".7z", ".rar"}
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
    """The files of rows in `path`: itself, unpacked if it is compressed, or the members of a .zip.

    Each is open until the next is asked for. Members come in the order of their names.

    Args:
        path: a file whose name says what it is, such as `chats.jsonl.gz`.
        kinds: the suffixes that can be read.

    Raises:
        DatasetRejected: an unknown kind, a damaged or unsafe archive, or one over the limits.
    """
    name, size = one_line(path.name), path.stat().st_size
    *_, inner, outer = ["", "", *(suffix.lower() for suffix in path.suffixes)]
    with path.open("rb") as file:
        if outer == ".zip":
            yield from _members(file, name=name, kinds=kinds)
        elif outer in _OPENERS:
            compression, open_stream = _OPENERS[outer]
            _check_kind(inner, kinds, name=name, packed_as=outer)
            with closing(open_stream(file)) as unpacked:
                stream = _Limited(unpacked, name=name, budget=Budget(name, size))
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
    packed = ", ".join(sorted([*_OPENERS, ".zip"]))
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
    try:
        _check_directory_size(file, name=name)
        archive = zipfile.ZipFile(file)
    except TunesmithError:
        raise
    except (*_DAMAGE, struct.error) as error:
        raise DatasetRejected(
            f"{name}: not a valid .zip file: {one_line(error)}", hint="pack the files again"
        ) from error
    total = Budget(name, file.seek(0, io.SEEK_END))
    with archive:
        for member, kind in _checked_members(archive, name=name, kinds=kinds):
            shown = f"{name} ({one_line(member.filename)})"
            with _open_member(archive, member, shown=shown) as unpacked:
                stream = _Limited(unpacked, name=shown, budget=total)
                yield DataFile(shown, kind, stream, member.compress_size, "zip")


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
    if num_members > MAX_MEMBERS or num_bytes > _MAX_DIRECTORY_BYTES:
        raise DatasetRejected(
            f"{name} has more than {MAX_MEMBERS} files", hint="join them into fewer files"
        )


def _checked_members(
    archive: zipfile.ZipFile, *, name: str, kinds: Collection[str]
) -> list[tuple[zipfile.ZipInfo, str]]:
    """The data files of an archive, with their kind.

    Raises:
        DatasetRejected: there are too many or of several kinds, or a member is not harmless.
    """
    members = [each for each in archive.infolist() if not _is_clutter(each)]
    if len(members) > MAX_MEMBERS:
        raise DatasetRejected(
            f"{name} has more than {MAX_MEMBERS} files", hint="join them into fewer files"
        )
    names: set[str] = set()
    for member in members:
        shown = f"{name} ({one_line(member.filename)})"
        if problem := _problem(member, names):
            raise DatasetRejected(f"{shown}: {problem}", hint="pack plain data files only")
        _check_kind(PurePosixPath(member.filename).suffix.lower(), kinds, name=shown)
        names.add(member.filename)
    found = {PurePosixPath(each).suffix.lower() for each in names}
    if len(found) > 1:
        raise DatasetRejected(
            f"{name} holds files of several kinds: {', '.join(sorted(found))}",
            hint="pack files of one kind",
        )
    in_order = sorted(members, key=lambda member: member.filename)
    return [(member, found_kind) for found_kind in found for member in in_order]


def _is_clutter(member: zipfile.ZipInfo) -> bool:
    """Folders, and what macOS adds to every archive."""
    return member.filename.endswith("/") or member.filename.startswith("__MACOSX/")


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
