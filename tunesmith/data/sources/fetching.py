"""A path, an address, a hub id or a file in an object store becomes a local file."""

# fsspec ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import unquote

from tunesmith.data.sources.addresses import Resolve, checked_url, resolve_host
from tunesmith.data.sources.datafile import one_line
from tunesmith.data.sources.web import WebLimits, check_disk, download
from tunesmith.errors import DatasetRejected, FetchFailed, NotFound, TunesmithError

# Stores whose servers the installation configures. Others of fsspec would connect to any host that
# a user names (ftp, sftp, hdfs, ...), read local files (file, dir) or run chains of both.
OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "oss", "tos", "oci", "memory")

_HUB = re.compile(r"hf://datasets/([\w.-]+/[\w.-]+)(?:@([^/]+))?/(.+)")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LocalSource:
    """A file to read, and where it came from.

    Attributes:
        path: the file.
        origin: the reference as it may be recorded: without a query, which may hold a secret.
        revision: the commit of a file from the hub, or nothing.
    """

    path: Path
    origin: str
    revision: str = ""


class Hub(Protocol):
    """What is asked of a hub of datasets; `huggingface_hub.HfApi` has it."""

    def dataset_info(self, repo_id: str, *, revision: str | None) -> Any:
        """Facts of a dataset, with its commit as `sha`."""
        ...

    def get_paths_info(
        self, repo_id: str, paths: list[str], *, revision: str, repo_type: str
    ) -> Any:
        """Facts of files, each with its `size`."""
        ...

    def hf_hub_download(
        self, repo_id: str, filename: str, *, revision: str, repo_type: str, local_dir: Path
    ) -> str:
        """The path of a file, fetched into a folder."""
        ...


def is_remote(reference: str) -> bool:
    """Whether `reference` is an address rather than a path."""
    return "://" in reference


def fetch_source(
    reference: str,
    *,
    into: Path,
    limits: WebLimits | None = None,
    resolve: Resolve = resolve_host,
    hub: Hub | None = None,
) -> LocalSource:
    """Make a local file of `reference`.

    Args:
        reference: a path, which is returned as it is; `http(s)://HOST/FILE`;
            `hf://datasets/OWNER/NAME@REVISION/FILE`; or a file in one of `OBJECT_STORES`.
        into: an existing, empty folder for what is fetched.
        limits: on size and time, and whether private addresses may be reached.
        resolve: looks up hosts.
        hub: the hub of datasets; the one that huggingface_hub is set up for if None.

    Raises:
        DatasetRejected: the address is not allowed, or what it holds is too large.
        NotFound: there is nothing there.
        NotEnoughResources: the disk is too small.
        FetchFailed: it cannot be reached, or broke off.
    """
    limits = limits or WebLimits()
    scheme, separator, _ = reference.partition("://")
    scheme = scheme.lower()
    if not separator:
        return LocalSource(Path(reference), origin=Path(reference).name)
    if scheme in ("http", "https"):
        target = into / _file_name(checked_url(reference).path)
        download(reference, into=target, limits=limits, resolve=resolve)
        return LocalSource(target, origin=reference.partition("?")[0].partition("#")[0])
    if scheme == "hf":
        return _fetch_from_hub(reference, into=into, limits=limits, hub=hub)
    if scheme in OBJECT_STORES and "::" not in reference:
        target = into / _file_name(reference)
        _fetch_from_store(reference, target, limits=limits)
        return LocalSource(target, origin=reference.partition("?")[0])
    raise DatasetRejected(
        f"{one_line(reference.partition('?')[0])}: addresses of this kind are not fetched",
        hint=f"there are: https, hf, {', '.join(OBJECT_STORES)}",
    )


def _file_name(path: str) -> str:
    return harmless_name(unquote(path).rpartition("/")[2])


def harmless_name(name: str) -> str:
    """`name` as a file name that leads nowhere, with its ending, which says how it is read."""
    # A file system takes 255 bytes, and a letter may have four.
    return re.sub(r"[^\w.() -]", "_", name)[-60:].lstrip(".- ") or "source"


# --- the hub ---------------------------------------------------------------------------------


def _fetch_from_hub(
    reference: str, *, into: Path, limits: WebLimits, hub: Hub | None
) -> LocalSource:
    """A file of a dataset at a commit; a branch or tag is resolved to one first.

    Only the file is fetched. Loading scripts are never run: there is no code that could.

    Raises:
        DatasetRejected: the address names no file, or one that is too large.
        NotFound: the dataset has no such file.
        FetchFailed: the hub cannot be reached or refuses.
    """
    shown = one_line(reference)
    match = _HUB.fullmatch(reference)
    if match is None or ".." in match[3].split("/"):
        raise DatasetRejected(
            f"{shown} is not an address of a file on the hub",
            hint="write hf://datasets/OWNER/NAME@REVISION/FILE",
        )
    name, revision, file = match[1], match[2], match[3]
    hub = hub or _default_hub()
    try:
        if revision is None or not _COMMIT.fullmatch(revision):
            revision = str(hub.dataset_info(name, revision=revision).sha)
        facts = hub.get_paths_info(name, [file], revision=revision, repo_type="dataset")
        if not facts or getattr(facts[0], "size", None) is None:
            raise NotFound(f"{shown}: the dataset has no such file", hint="check the path")
        _check_size(shown, facts[0].size, into=into, limits=limits)
        path = hub.hf_hub_download(
            name, file, revision=revision, repo_type="dataset", local_dir=into
        )
    except (OSError, ValueError) as error:  # what the hub raises is among these
        reason = one_line(error) or type(error).__name__
        raise FetchFailed(f"{shown}: {reason}", hint="check name, revision and access") from error
    return LocalSource(Path(path), f"hf://datasets/{name}@{revision}/{file}", revision=revision)


def _default_hub() -> Hub:
    from huggingface_hub import HfApi  # only here: it takes a while to import

    return cast(Hub, HfApi())


# --- object stores ---------------------------------------------------------------------------


def _fetch_from_store(reference: str, target: Path, *, limits: WebLimits) -> None:
    import fsspec  # only here: it takes a while to import

    shown = one_line(reference.partition("?")[0])
    try:
        store, path = fsspec.url_to_fs(reference)
        facts = store.info(path)
        if facts["type"] != "file":
            raise NotFound(f"{shown} is not a file", hint="import one file at a time")
        _check_size(shown, facts["size"] or 0, into=target.parent, limits=limits)
        with store.open(path, "rb") as source, target.open("xb") as file:
            num_bytes = 0
            while chunk := source.read(_CHUNK_BYTES):
                num_bytes += len(chunk)
                _check_size(shown, num_bytes, into=None, limits=limits)
                file.write(chunk)
    except ImportError as error:
        raise FetchFailed(f"{shown}: {one_line(error)}", hint="install that package") from error
    except FileNotFoundError as error:
        raise NotFound(f"{shown}: there is no such file", hint="check the address") from error
    except TunesmithError:
        raise
    except Exception as error:  # every store raises its own: of access, of the network, of names
        reason = one_line(error) or type(error).__name__
        raise FetchFailed(f"{shown}: {reason}", hint="check address and access") from error


def _check_size(shown: str, num_bytes: int, *, into: Path | None, limits: WebLimits) -> None:
    if num_bytes > limits.max_bytes:
        raise DatasetRejected(
            f"{shown} is larger than {limits.max_bytes:,} bytes", hint="import a part of it"
        )
    if into is not None:
        check_disk(into, num_bytes)
