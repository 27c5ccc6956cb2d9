"""Where a dataset version comes from: its source, file by file, with digests."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from tunesmith.artifacts import sha256_file
from tunesmith.data.sources import describe_source, stored_files
from tunesmith.data.sources.places import Places


def source_lineage(source: Path, places: Places) -> dict[str, Any]:
    """What to record of a source that was read.

    Its digest is that of the file, or, of a folder, the SHA-256 over a line "DIGEST  NAME" for each
    file that was read. `files` gives the number of each file's first row, as rows are numbered on.
    """
    info = describe_source(source)
    files: list[dict[str, Any]] = [
        {"file": name, "first_row": row} for name, row in places.first_rows()
    ]
    return {
        "source": source.name,
        "source_sha256": sha256_file(source) if source.is_file() else _seal(source, files),
        "files": files,
        "left_out": list(info.left_out),
        "encoding": info.encoding,
        "compression": info.compression,
    }


def _seal(folder: Path, files: list[dict[str, Any]]) -> str:
    """Add its digest to each of `files`, and return the digest of all."""
    total = sha256()
    for (name, path), file in zip(stored_files(folder).items(), files, strict=True):
        file["sha256"] = sha256_file(path)
        total.update(f"{file['sha256']}  {name}\n".encode())
    return total.hexdigest()
