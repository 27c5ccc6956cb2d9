"""Which addresses a server may connect to when a user asks it to."""

import ipaddress
import re
import socket
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from tunesmith.data.sources.datafile import one_line
from tunesmith.errors import DatasetRejected, FetchFailed

Resolve: TypeAlias = Callable[[str, int], list[str]]
"""Looks up a host and port: numeric addresses."""

_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Beside what is not global: Azure's metadata at a public address, Oracle's among protocol
# assignments (some of which Python 3.11 takes for global), relays to IPv4.
_FORBIDDEN = [
    ipaddress.ip_network(each)
    for each in ("168.63.129.16", "192.0.0.0/24", "192.88.99.0/24", "64:ff9b:1::/48")
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PRIVATE = [
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7")
]


def resolve_host(host: str, port: int) -> list[str]:
    """The addresses of `host` by the system's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def checked_url(url: str) -> SplitResult:
    """The parts of an http or https address without credentials.

    Raises:
        DatasetRejected: it is anything else.
    """
    shown = one_line(re.sub(r"//[^/]*@", "//", url.partition("?")[0]))  # without secrets
    if any(character <= " " or character == "\\" for character in url):
        raise DatasetRejected(f"{shown} holds spaces or backslashes", hint="check the address")
    try:
        parts = urlsplit(url)
        host, _ = host_and_port(parts)
    except ValueError as error:
        raise DatasetRejected(f"{shown} is not a valid address: {one_line(error)}") from error
    if parts.scheme not in ("http", "https"):
        raise DatasetRejected(
            f"{shown}: addresses of kind {one_line(parts.scheme)!r} are not fetched",
            hint="use https",
        )
    if parts.username is not None or parts.password is not None:
        raise DatasetRejected(
            "the address holds a user name or password", hint="download it and import the file"
        )
    if not host or "%" in host:
        raise DatasetRejected(f"{shown} names no valid host", hint="check the address")
    return parts


def host_and_port(parts: SplitResult) -> tuple[str, int]:
    """Host in ASCII, and port, of an address.

    Raises:
        ValueError: one of them is malformed.
    """
    host = (parts.hostname or "").encode("idna").decode("ascii")
    return host, parts.port or (443 if parts.scheme == "https" else 80)


def checked_addresses(
    host: str, port: int, *, allow_private: bool, resolve: Resolve = resolve_host
) -> list[str]:
    """Addresses of `host`, all of which may be connected to.

    Raises:
        DatasetRejected: one of them may not.
        FetchFailed: there are none.
    """
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise FetchFailed(
            f"the host {one_line(host)} was not found", hint="check the address"
        ) from error
    for address in addresses:
        if not _may_connect(ipaddress.ip_address(address), allow_private=allow_private):
            raise DatasetRejected(
                f"the host {one_line(host)} has the address {address}, which is not public",
                hint="download it yourself and import the file",
            )
    return addresses


def _may_connect(address: _Address, *, allow_private: bool) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id or address.sixtofour or address.teredo or address.is_site_local:
            return False
        inner = address.ipv4_mapped
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return _may_connect(inner, allow_private=allow_private)
    if allow_private and any(address in network for network in _PRIVATE):
        return True
    is_odd = address.is_multicast or address.is_reserved or address.is_unspecified
    is_forbidden = any(address in network for network in _FORBIDDEN)
    return address.is_global and not is_odd and not is_forbidden
