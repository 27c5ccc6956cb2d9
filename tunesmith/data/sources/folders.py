"""Which files of a folder hold rows, wherever the folder lies: on disk, in a .zip, on a server."""

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import NoReturn

from tunesmith.data.sources.datafile import one_line
from tunesmith.errors import DatasetRejected

MAX_FILES = 1000
MAX_UNPACKED_BYTES = 50 * 10**9  # more rows than a fine-tuning run can use
PACKED = (".gz", ".zst")  # one file, packed as a stream
ARCHIVES = {".zip", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar"}
_ABOUT = {"readme", "license", "licence", "notice", "changelog", "citation"}


@dataclass(frozen=True)
class Chosen:
    """The files to read, by name, and those that are none of rows; both in the order of names."""

    files: tuple[str, ...]
    left_out: tuple[str, ...]


def choose_files(names: Iterable[str], *, kinds: Collection[str], where: str) -> Chosen:
    """Tell data files from others by their endings.

    Left out, to be reported, are files of other kinds and those about the data, such as README.md.
    Hidden files, whose names or folders begin with a dot, and what macOS adds are not looked at.

    Args:
        names: paths below the folder, with slashes.
        kinds: the suffixes that can be read.
        where: what messages call the folder.

    Raises:
        DatasetRejected: there are none, too many or several kinds, or one is an archive.
    """
    visible = (name for name in names if not _is_hidden(PurePosixPath(name)))
    seen = sorted(islice(visible, MAX_FILES + 1))
    if len(seen) > MAX_FILES:
        raise DatasetRejected(
            f"{where} has more than {MAX_FILES} files", hint="join them into fewer files"
        )
    for name in seen:
        if PurePosixPath(name).suffix.lower() in ARCHIVES:
            raise DatasetRejected(
                f"{where} ({one_line(name)}): is an archive", hint="unpack it, or import it alone"
            )
    files = tuple(name for name in seen if _holds_rows(PurePosixPath(name), kinds))
    left_out = tuple(sorted(set(seen) - set(files)))
    if not files:
        problem = f"holds no data file but {one_line(', '.join(left_out))}" if seen else "is empty"
        raise DatasetRejected(f"{where} {problem}", hint=f"these are read: {', '.join(kinds)}")
    first_of_kind = {kind_of(name): name for name in reversed(files)}
    if len(first_of_kind) > 1:
        shown = ", ".join(f"{kind} ({one_line(n)})" for kind, n in sorted(first_of_kind.items()))
        raise DatasetRejected(
            f"{where} holds files of several kinds: {shown}", hint="keep files of one kind together"
        )
    return Chosen(files, left_out)


def choose_in_folder(folder: Path, *, kinds: Collection[str]) -> Chosen:
    """The files below `folder` to read, and those that are left out.

    Raises:
        DatasetRejected: as `choose_files`, or one is no regular file, or they are too large.
    """
    shown = one_line(folder.name or folder.resolve().name)
    chosen = choose_files(_names_below(folder), kinds=kinds, where=shown)
    paths = [folder / name for name in chosen.files]
    for name, path in zip(chosen.files, paths, strict=True):
        if not path.is_file():
            raise DatasetRejected(
                f"{shown}/{one_line(name)} is not a file that can be read",
                hint="look where it leads to",
            )
    if sum(path.stat().st_size for path in paths) > MAX_UNPACKED_BYTES:
        raise DatasetRejected(
            f"{shown} holds more than {MAX_UNPACKED_BYTES / 1e9:g} GB", hint="import a part of it"
        )
    return chosen


def _names_below(folder: Path) -> Iterator[str]:
    """Files and links to folders; links are not followed, so that there is an end."""

    def fail(error: OSError) -> NoReturn:
        raise error

    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in [*files, *links]:
            yield Path(parent, name).relative_to(folder).as_posix()


def kind_of(name: str) -> str:
    """The suffix that says how a file is read, without that of its packing."""
    *_, inner, outer = ["", "", *(suffix.lower() for suffix in PurePosixPath(name).suffixes)]
    return inner if outer in PACKED else outer


def _holds_rows(path: PurePosixPath, kinds: Collection[str]) -> bool:
    return kind_of(path.name) in kinds and path.name.partition(".")[0].lower() not in _ABOUT


def _is_hidden(path: PurePosixPath) -> bool:
    return path.parts[0] == "__MACOSX" or any(part.startswith(".") for part in path.parts)
