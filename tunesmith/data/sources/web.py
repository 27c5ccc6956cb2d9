"""Downloads from addresses that users give, guarded against server-side request forgery.

A name is resolved once, every address it has is checked, and the connection is made to a checked
address itself: a second look-up, which could answer differently, never happens. Each redirect is
checked the same way. Proxies from the environment are not used: they would look names up again.
"""

import http.client
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urljoin, urlsplit

from tunesmith.data.sources.addresses import Resolve, checked_url, resolve_host
from tunesmith.data.sources.connections import guarded_connection, request_target, shut_at
from tunesmith.data.sources.datafile import one_line
from tunesmith.errors import DatasetRejected, FetchFailed, NotEnoughDisk, NotFound

_MAX_REDIRECTS = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_CHUNK_BYTES = 1 << 20


OnBytes: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that arrived and how many there are, None if the server does not say."""


@dataclass(frozen=True)
class WebLimits:
    """What a download may cost.

    Attributes:
        max_bytes: its size.
        timeout_seconds: without a byte from the server.
        max_seconds: in all.
        allow_private: whether the server may be on this machine or in its private network.
    """

    max_bytes: int = 20 * 10**9
    timeout_seconds: float = 30.0
    max_seconds: float = 6 * 3600.0
    allow_private: bool = False


def download(
    url: str,
    *,
    into: Path,
    limits: WebLimits | None = None,
    resolve: Resolve = resolve_host,
    on_progress: OnBytes = lambda num_bytes, total: None,
) -> None:
    """Fetch `url` into the file `into`, which is there only if all of it arrived.

    Raises:
        DatasetRejected: the address is not allowed, or what it holds is too large.
        NotFound: the server has nothing there.
        NotEnoughDisk: the disk is too small.
        FetchFailed: the server cannot be reached or broke off.
    """
    limits = limits or WebLimits()
    deadline = time.monotonic() + limits.max_seconds
    shown = one_line(url.partition("?")[0])
    try:
        for _ in range(_MAX_REDIRECTS + 1):
            with _request(url, limits=limits, resolve=resolve, deadline=deadline) as response:
                if response.status in _REDIRECTS:
                    url = _redirected(url, response)
                    continue
                _check_status(response, shown)
                _save(response, into, limits=limits, shown=shown, on_progress=on_progress)
                return
    except (OSError, http.client.HTTPException) as error:
        into.unlink(missing_ok=True)
        reason = one_line(error) or type(error).__name__
        raise FetchFailed(f"{shown}: {reason}", hint="check the address and try again") from error
    except BaseException:
        into.unlink(missing_ok=True)
        raise
    raise FetchFailed(f"{shown}: redirects more than {_MAX_REDIRECTS} times")


# --- one request -----------------------------------------------------------------------------


@contextmanager
def _request(
    url: str, *, limits: WebLimits, resolve: Resolve, deadline: float
) -> Generator[http.client.HTTPResponse, None, None]:
    parts = checked_url(url)
    connection = guarded_connection(
        parts,
        timeout_seconds=limits.timeout_seconds,
        allow_private=limits.allow_private,
        resolve=resolve,
    )
    headers = {"Accept-Encoding": "identity", "User-Agent": "tunesmith"}
    try:
        connection.connect()
        with shut_at(deadline, connection.sock):
            connection.request("GET", request_target(parts), headers=headers)
            with connection.getresponse() as response:
                yield response
    finally:
        connection.close()


def _redirected(url: str, response: http.client.HTTPResponse) -> str:
    target = urljoin(url, response.getheader("Location", ""))
    if urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        raise DatasetRejected(
            "the server redirects from https to http", hint="download it and import the file"
        )
    return target


def _check_status(response: http.client.HTTPResponse, shown: str) -> None:
    if response.status in (404, 410):
        raise NotFound(f"{shown}: the server has no such file", hint="check the address")
    if response.status != 200:
        reason = one_line(response.reason)
        raise FetchFailed(f"{shown}: the server answered {response.status} {reason}")
    encoding = response.getheader("Content-Encoding", "identity")
    if encoding not in ("identity", "") and not shown.endswith(".gz"):
        raise FetchFailed(f"{shown}: the server sent the encoding {one_line(encoding)} unasked")


def _save(
    response: http.client.HTTPResponse,
    into: Path,
    *,
    limits: WebLimits,
    shown: str,
    on_progress: OnBytes,
) -> None:
    too_large = DatasetRejected(
        f"{shown} is larger than {limits.max_bytes:,} bytes", hint="import a part of it"
    )
    announced = response.length
    if announced is not None:
        if announced > limits.max_bytes:
            raise too_large
        check_disk(into.parent, announced)
    num_bytes = 0
    with into.open("wb") as file:
        while chunk := response.read(_CHUNK_BYTES):
            num_bytes += len(chunk)
            if num_bytes > limits.max_bytes:
                raise too_large
            file.write(chunk)
            on_progress(num_bytes, announced)
    if announced is not None and num_bytes != announced:
        raise FetchFailed(f"{shown}: broke off after {num_bytes:,} of {announced:,} bytes")


def check_disk(folder: Path, num_bytes: int) -> None:
    """Check that `num_bytes` fit on the disk of `folder`.

    Raises:
        NotEnoughDisk: they do not.
    """
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise NotEnoughDisk(
            f"the source has {num_bytes:,} bytes, and the disk {free:,} left",
            hint="free some space",
        )
