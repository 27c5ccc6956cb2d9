"""Tar files made while they are sent: nothing is held in memory, nothing lands on the disk."""

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file of the archive: its name there, and where its bytes are, or what they are."""

    name: str
    source: Path | bytes


def tar_stream(members: Iterable[Member]) -> Iterator[bytes]:
    """The bytes of an archive. Equal files give equal bytes: no times, no owners.

    Raises:
        OSError: a file cannot be read, or changed its length meanwhile.
    """
    for member in members:
        source = member.source
        header = tarfile.TarInfo(member.name)
        header.size = len(source) if isinstance(source, bytes) else source.stat().st_size
        header.mode = 0o644
        yield header.tobuf(tarfile.PAX_FORMAT)
        if isinstance(source, bytes):
            yield source
        else:
            yield from _content(source, header.size)
        yield bytes(-header.size % tarfile.BLOCKSIZE)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _content(path: Path, size: int) -> Iterator[bytes]:
    num_left = size
    with path.open("rb") as file:
        while chunk := file.read(min(_CHUNK_BYTES, num_left)):
            num_left -= len(chunk)
            yield chunk
    if num_left:
        raise OSError(f"{path.name} became shorter while it was read")
