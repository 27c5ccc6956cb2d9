"""Where a dataset version comes from: its source, file by file, with digests."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import Any

from tunesmith.artifacts import sha256_file
from tunesmith.data.sources import DataFile, files_left_out, stored_files

_CHUNK = 1 << 20  # bytes hashed before it is asked whether they are still wanted


@contextmanager
def hashing(source: Path) -> Generator[Callable[[], str]]:
    """Take the SHA-256 of a file beside what is done within; what is given waits for it.

    hashlib lets other threads run, so that an import does not take a tenth longer for it. At the
    end it is given up, wherever it is: an import that fails waits for nothing.
    """
    given_up = Event()
    with ThreadPoolExecutor(1) as beside:
        digest = beside.submit(_sha256_unless, given_up, source)
        try:
            yield digest.result
        finally:
            given_up.set()


def _sha256_unless(given_up: Event, source: Path) -> str:
    hasher = sha256()
    with source.open("rb") as file:
        while not given_up.is_set() and (chunk := file.read(_CHUNK)):
            hasher.update(chunk)
    return hasher.hexdigest()


def source_lineage(
    source: Path, read: Sequence[tuple[int, DataFile]], *, digest: Callable[[], str]
) -> dict[str, Any]:
    """What to record of a source, whose files were `read`, each after as many rows.

    `digest` gives the SHA-256 of a source that is a file.

    Its digest is that of the file, or, of a folder, the SHA-256 over a line "DIGEST  NAME" for each
    file that was read. `files` gives the number of each file's first row, as rows are numbered on.
    """
    files: list[dict[str, Any]] = [
        {"file": file.name, "first_row": num_before + 1} for num_before, file in read
    ]
    return {
        "source": source.name,
        "source_sha256": digest() if source.is_file() else _seal(source, files),
        "files": files,
        "left_out": list(files_left_out(source)),
        "encoding": ", ".join(dict.fromkeys(file.encoding for _, file in read)),
        "compression": read[0][1].compression,
    }


def _seal(folder: Path, files: list[dict[str, Any]]) -> str:
    """Add its digest to each of `files`, and return the digest of all."""
    total = sha256()
    for (name, path), file in zip(stored_files(folder).items(), files, strict=True):
        file["sha256"] = sha256_file(path)
        total.update(f"{file['sha256']}  {name}\n".encode())
    return total.hexdigest()
