"""What lies elsewhere becomes local: a web address, or a file or folder on a hub or in a store."""

# fsspec ships no types
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, cast
from urllib.parse import unquote

from tunesmith.data.sources import READERS
from tunesmith.data.sources.addresses import Resolve, checked_url, resolve_host
from tunesmith.data.sources.datafile import one_line
from tunesmith.data.sources.folders import choose_files
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


class Hub(Protocol):
    """What is asked of a hub of datasets; `huggingface_hub.HfApi` has it."""

    def dataset_info(self, repo_id: str, *, revision: str | None) -> Any:
        """Facts of a dataset, with its commit as `sha`."""
        ...

    def get_paths_info(
        self, repo_id: str, paths: list[str], *, revision: str, repo_type: str
    ) -> Any:
        """Facts of files and folders, each with its `path`; files have a `size`."""
        ...

    def list_repo_tree(
        self, repo_id: str, path_in_repo: str, *, recursive: bool, revision: str, repo_type: str
    ) -> Any:
        """The facts of what is below a folder."""
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
    """Make a local file or folder of `reference`.

    Args:
        reference: a path, which is returned as it is; `http(s)://HOST/FILE`;
            `hf://datasets/OWNER/NAME@REVISION/PATH`; or a path in one of `OBJECT_STORES`. A
            path may be that of a folder.
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
        return _fetch_from_store(reference, into=into, limits=limits)
    raise DatasetRejected(
        f"{one_line(reference.partition('?')[0])}: addresses of this kind are not fetched",
        hint=f"there are: https, hf, {', '.join(OBJECT_STORES)}",
    )


def _file_name(path: str) -> str:
    return harmless_name(unquote(path).rstrip("/").rpartition("/")[2])


def harmless_name(name: str) -> str:
    """`name` as a file name that leads nowhere, with its ending, which says how it is read."""
    # A file system takes 255 bytes, and a letter may have four.
    return re.sub(r"[^\w.() -]", "_", name)[-60:].lstrip(".- ") or "source"


def _choose(
    sizes: Mapping[str, int], *, shown: str, into: Path, limits: WebLimits
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files of a remote folder to fetch and those to leave out, of names below it with sizes.

    Raises:
        DatasetRejected: as `choose_files`, a name leads out of the folder, or they are too large.
        NotEnoughResources: the disk is too small.
    """
    chosen = choose_files(sizes, kinds=READERS, where=shown)
    for name in chosen.files:
        if name.startswith("/") or "\\" in name or ".." in PurePosixPath(name).parts:
            raise DatasetRejected(
                f"{shown}: the name {one_line(name)} leads out of the folder", hint="rename it"
            )
    _check_size(shown, sum(sizes[name] for name in chosen.files), into=into, limits=limits)
    return chosen.files, chosen.left_out


# --- the hub ---------------------------------------------------------------------------------


def _fetch_from_hub(
    reference: str, *, into: Path, limits: WebLimits, hub: Hub | None
) -> LocalSource:
    """A file or folder of a dataset at a commit; a branch or tag is resolved to one first.

    Only data files are fetched. Loading scripts are never run: there is no code that could.

    Raises:
        DatasetRejected: the address names no file or folder, or one that is too large.
        NotFound: the dataset has no such file.
        FetchFailed: the hub cannot be reached or refuses.
    """
    shown = one_line(reference)
    match = _HUB.fullmatch(reference)
    if match is None or ".." in match[3].split("/"):
        raise DatasetRejected(
            f"{shown} is not an address of a file or folder on the hub",
            hint="write hf://datasets/OWNER/NAME@REVISION/PATH",
        )
    name, revision, path = match[1], match[2], match[3].rstrip("/")
    hub = hub or _default_hub()
    left_out: tuple[str, ...] = ()
    try:
        if revision is None or not _COMMIT.fullmatch(revision):
            revision = str(hub.dataset_info(name, revision=revision).sha)
        at = {"revision": revision, "repo_type": "dataset"}
        facts = hub.get_paths_info(name, [path], **at)
        if not facts:
            raise NotFound(f"{shown}: the dataset has no such file", hint="check the path")
        files = [path]
        if _is_file(facts[0]):
            _check_size(shown, facts[0].size, into=into, limits=limits)
        else:
            tree = hub.list_repo_tree(name, path, recursive=True, **at)
            sizes = {
                each.path.removeprefix(f"{path}/"): each.size for each in tree if _is_file(each)
            }
            chosen, left_out = _choose(sizes, shown=shown, into=into, limits=limits)
            files = [f"{path}/{file}" for file in chosen]
        for file in files:
            hub.hf_hub_download(name, file, local_dir=into, **at)
    except (OSError, ValueError) as error:  # what the hub raises is among these
        reason = one_line(error) or type(error).__name__
        raise FetchFailed(f"{shown}: {reason}", hint="check name, revision and access") from error
    origin = f"hf://datasets/{name}@{revision}/{path}"
    return LocalSource(into / path, origin, revision=revision, left_out=left_out)


def _is_file(facts: Any) -> bool:
    return getattr(facts, "size", None) is not None


def _default_hub() -> Hub:
    from huggingface_hub import HfApi  # only here: it takes a while to import

    return cast(Hub, HfApi())


# --- object stores ---------------------------------------------------------------------------


def _fetch_from_store(reference: str, *, into: Path, limits: WebLimits) -> LocalSource:
    import fsspec  # only here: it takes a while to import

    origin = reference.partition("?")[0]
    shown = one_line(origin)
    target = into / _file_name(reference)
    left_out: tuple[str, ...] = ()
    try:
        store, path = fsspec.url_to_fs(reference)
        facts = store.info(path)
        if facts["type"] == "file":
            _check_size(shown, facts["size"] or 0, into=into, limits=limits)
            wanted = {path: target}
        else:
            found = store.find(path, detail=True)
            below = {name.removeprefix(path).lstrip("/"): name for name in found}
            sizes = {name: found[full]["size"] or 0 for name, full in below.items()}
            files, left_out = _choose(sizes, shown=shown, into=into, limits=limits)
            wanted = {below[name]: target / name for name in files}
        _copy(store, wanted, shown=shown, limits=limits)
    except ImportError as error:
        raise FetchFailed(f"{shown}: {one_line(error)}", hint="install that package") from error
    except FileNotFoundError as error:
        raise NotFound(f"{shown}: there is no such file", hint="check the address") from error
    except TunesmithError:
        raise
    except Exception as error:  # every store raises its own: of access, of the network, of names
        reason = one_line(error) or type(error).__name__
        raise FetchFailed(f"{shown}: {reason}", hint="check address and access") from error
    return LocalSource(target, origin, left_out=left_out)


def _copy(store: Any, wanted: Mapping[str, Path], *, shown: str, limits: WebLimits) -> None:
    num_bytes = 0
    for path, target in wanted.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        with store.open(path, "rb") as source, target.open("xb") as file:
            while chunk := source.read(_CHUNK_BYTES):
                num_bytes += len(chunk)
                _check_size(shown, num_bytes, into=None, limits=limits)
                file.write(chunk)


def _check_size(shown: str, num_bytes: int, *, into: Path | None, limits: WebLimits) -> None:
    if num_bytes > limits.max_bytes:
        raise DatasetRejected(
            f"{shown} is larger than {limits.max_bytes:,} bytes", hint="import a part of it"
        )
    if into is not None:
        check_disk(into, num_bytes)
