"""Tar files made while they are sent: nothing is held in memory, nothing lands on the disk."""

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file, and what it is called in the archive."""

    name: str
    path: Path


def tar_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of an archive. Equal files give equal bytes: no times, no owners.

    Raises:
        OSError: a file cannot be read, or changed its length meanwhile.
    """
    for member in members:
        header = tarfile.TarInfo(member.name)
        header.size = member.path.stat().st_size
        header.mode = 0o644
        yield header.tobuf(tarfile.PAX_FORMAT)
        yield from _content(member.path, header.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _content(path: Path, size: int) -> Iterator[bytes]:
    num_left = size
    with path.open("rb") as file:
        while chunk := file.read(min(_CHUNK_BYTES, num_left)):
            num_left -= len(chunk)
            yield chunk
    if num_left:
        raise OSError(f"{path.name} became shorter while it was read")
    yield bytes(-size % tarfile.BLOCKSIZE)
