"""Connections to hosts that users name: made to a checked address, never looked up twice."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import SplitResult, quote

from tunesmith.data.sources.addresses import (
    Resolve,
    checked_addresses,
    host_and_port,
    resolve_host,
)


def guarded_connection(
    parts: SplitResult,
    *,
    timeout_seconds: float,
    allow_private: bool,
    resolve: Resolve = resolve_host,
) -> http.client.HTTPConnection:
    """A connection, not yet opened, to the host of an address that `checked_url` has passed.

    Raises:
        DatasetRejected: the host has an address that may not be connected to.
        FetchFailed: it has none.
    """
    host, port = host_and_port(parts)
    kind = _Secure if parts.scheme == "https" else _Plain
    connection = kind(host, port, timeout=timeout_seconds)
    connection.addresses = checked_addresses(
        host, port, allow_private=allow_private, resolve=resolve
    )
    return connection


def request_target(parts: SplitResult) -> str:
    """Path and query of an address as a request names them."""
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    if parts.query:
        target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return target


class _Plain(http.client.HTTPConnection):
    """Connects to one of `addresses`, and names the host in the request."""

    addresses: list[str]

    def connect(self) -> None:
        self.sock = connect_to(self.addresses, self.port, timeout=self.timeout)


class _Secure(http.client.HTTPSConnection):
    """The same with TLS: the certificate must be the host's."""

    addresses: list[str]

    def connect(self) -> None:
        plain = connect_to(self.addresses, self.port, timeout=self.timeout)
        self.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=self.host)


def connect_to(addresses: list[str], port: int, *, timeout: float | None) -> socket.socket:
    """A connection to the first of `addresses` that answers.

    Raises:
        OSError: none does.
    """
    failure: OSError = OSError("the host has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout)
        except OSError as error:
            failure = error
    raise failure


@contextmanager
def shut_at(deadline: float, sock: socket.socket) -> Generator[None, None, None]:
    """Shut the connection at `deadline`, also for a server that sends a byte now and then.

    Raises:
        TimeoutError: it was shut.
    """
    is_late = threading.Event()

    def shut() -> None:
        is_late.set()
        with suppress(OSError):  # it may be closed already
            sock.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(0.0, deadline - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if is_late.is_set():
            raise TimeoutError("it took too long")
