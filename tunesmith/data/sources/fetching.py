"""What lies elsewhere becomes local: a web address, or a file or folder on a hub or in a store."""

import re
from pathlib import Path
from urllib.parse import unquote

from tunesmith.data.sources.addresses import Resolve, checked_url, resolve_host
from tunesmith.data.sources.datafile import one_line
from tunesmith.data.sources.hub import Hub, fetch_from_hub
from tunesmith.data.sources.remote import LocalSource
from tunesmith.data.sources.stores import OBJECT_STORES, fetch_from_store
from tunesmith.data.sources.web import OnBytes, WebLimits, download
from tunesmith.errors import DatasetRejected


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
    on_progress: OnBytes = lambda num_bytes, total: None,
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
        on_progress: called as bytes arrive.

    Raises:
        DatasetRejected: the address is not allowed, or what it holds is too large.
        NotFound: there is nothing there.
        NotEnoughDisk: the disk is too small.
        FetchFailed: it cannot be reached, or broke off.
    """
    limits = limits or WebLimits()
    scheme, separator, _ = reference.partition("://")
    scheme = scheme.lower()
    if not separator:
        return LocalSource(Path(reference), origin=Path(reference).name)
    if scheme in ("http", "https"):
        target = into / _file_name(checked_url(reference).path)
        download(reference, into=target, limits=limits, resolve=resolve, on_progress=on_progress)
        return LocalSource(target, origin=reference.partition("?")[0].partition("#")[0])
    if scheme == "hf":
        return fetch_from_hub(reference, into=into, limits=limits, hub=hub, on_progress=on_progress)
    if scheme in OBJECT_STORES and "::" not in reference:
        target = into / _file_name(reference)
        return fetch_from_store(reference, target, limits=limits, on_progress=on_progress)
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
