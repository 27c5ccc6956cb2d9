"""Files and folders in object stores."""

# fsspec ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tunesmith.data.sources.datafile import one_line
from tunesmith.data.sources.remote import LocalSource, check_size, choose_remote, reporting
from tunesmith.data.sources.web import OnBytes, WebLimits
from tunesmith.errors import NotFound, RecipeInvalid

# Stores whose servers the installation configures. Others of fsspec would connect to any host that
# a user names (ftp, sftp, hdfs, ...), read local files (file, dir) or run chains of both.
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oss", "tos", "oci", "memory")

_CHUNK_BYTES = 1 << 20


def fetch_from_store(
    reference: str, target: Path, *, limits: WebLimits, on_progress: OnBytes
) -> LocalSource:
    """Copy a file, or the data files of a folder, to `target`.

    Raises:
        DatasetRejected: the folder is not one of data files, or what it holds is too large.
        NotFound: there is nothing there.
        NotEnoughDisk: the disk is too small.
        RecipeInvalid: the store's package is not installed.
        FetchFailed: the store cannot be reached or refuses.
    """
    import fsspec  # only here: it takes a while to import

    origin = reference.partition("?")[0]
    shown = one_line(origin)
    left_out: tuple[str, ...] = ()
    with reporting(shown, hint="check address and access"):
        try:
            store, path = fsspec.url_to_fs(reference)
            facts = store.info(path)
            if facts["type"] == "file":
                num_bytes = facts["size"] or 0
                check_size(shown, num_bytes, into=target.parent, limits=limits)
                wanted = {path: target}
            else:
                found = store.find(path, detail=True)
                below = {name.removeprefix(path).lstrip("/"): name for name in found}
                sizes = {name: found[full]["size"] or 0 for name, full in below.items()}
                chosen = choose_remote(sizes, shown=shown, into=target.parent, limits=limits)
                left_out = chosen.left_out
                num_bytes = sum(sizes[name] for name in chosen.files)
                wanted = {below[name]: target / name for name in chosen.files}
            for num_copied in _copy(store, wanted, shown=shown, limits=limits):
                on_progress(num_copied, num_bytes)
        except ImportError as error:
            raise RecipeInvalid(
                f"{shown}: {one_line(error)}", hint="add the package that it names with pip install"
            ) from error
        except FileNotFoundError as error:
            raise NotFound(f"{shown}: there is no such file", hint="check the address") from error
    return LocalSource(target, origin, left_out=left_out)


def _copy(
    store: Any, wanted: Mapping[str, Path], *, shown: str, limits: WebLimits
) -> Iterator[int]:
    """Copy files to their places; tells how many bytes are there."""
    num_bytes = 0
    for path, target in wanted.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(path, "rb") as source, target.open("xb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                num_bytes += len(chunk)
                check_size(shown, num_bytes, into=None, limits=limits)
                file.write(chunk)
                yield num_bytes
