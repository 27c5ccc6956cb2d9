"""What fetching from a hub and from a store have in common."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tunesmith.data.sources import READERS
from tunesmith.data.sources.datafile import one_line
from tunesmith.data.sources.folders import Chosen, choose_files
from tunesmith.data.sources.web import WebLimits, check_disk
from tunesmith.errors import DatasetRejected, FetchFailed, TunesmithError


@dataclass(frozen=True)
class LocalSource:
    """A file or folder to read, and where it came from.

    Attributes:
        path: the file or folder.
        origin: the reference as it may be recorded: without a query, which may hold a secret.
        revision: the commit on the hub, or nothing.
        left_out: files of a remote folder that are none of rows and were not fetched.
    """

    path: Path
    origin: str
    revision: str = ""
    left_out: tuple[str, ...] = ()


@contextmanager
def reporting(shown: str, *, hint: str) -> Generator[None]:
    """Say of whatever fails in the context what could not be fetched.

    Raises:
        TunesmithError: as it is.
        FetchFailed: in place of anything else: each hub, store and network has errors of its own.
    """
    try:
        yield
    except TunesmithError:
        raise
    except Exception as error:
        reason = one_line(error) or type(error).__name__
        raise FetchFailed(f"{shown} could not be fetched: {reason}", hint=hint) from error


def choose_remote(sizes: Mapping[str, int], *, shown: str, into: Path, limits: WebLimits) -> Chosen:
    """Choose among the files of a remote folder, given by their names below it, with their sizes.

    Raises:
        DatasetRejected: as `choose_files`, a name leads out of the folder, or they are too large.
        NotEnoughDisk: the disk is too small.
    """
    chosen = choose_files(sizes, kinds=READERS, where=shown)
    for name in chosen.files:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise DatasetRejected(
                f"{shown}: the name {one_line(name)} leads out of the folder", hint="rename it"
            )
    check_size(shown, sum(sizes[name] for name in chosen.files), into=into, limits=limits)
    return chosen


def check_size(shown: str, num_bytes: int, *, into: Path | None, limits: WebLimits) -> None:
    """Check that so many bytes are allowed, and that they fit on the disk of `into`.

    Raises:
        DatasetRejected: they are too many.
        NotEnoughDisk: the disk is too small.
    """
    if num_bytes > limits.max_bytes:
        raise DatasetRejected(
            f"{shown} is larger than {limits.max_bytes:,} bytes", hint="import a part of it"
        )
    if into is not None:
        check_disk(into, num_bytes)
