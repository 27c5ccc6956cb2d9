"""Addresses that a server must not be talked into calling (SSRF): all are refused."""

import pytest

from tunesmith.data.sources.addresses import checked_addresses, checked_url, host_and_port
from tunesmith.data.sources.addresses import resolve_host as system_resolve
from tunesmith.errors import DatasetRejected, FetchFailed

HOSTS = [
    *("127.0.0.1", "127.0.0.1:8000/a.json", "127.1"),
    *("127.0.1", "127.255.255.254", "2130706433"),
    *("017700000001", "0x7f000001", "0x7f.0.0.1"),
    *("0177.0.0.1", "0x7F.1", "0"),
    *("0.0.0.0", "0.0.0.0:22", "00000177.1"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1"),
    *("172.31.255.255", "192.168.0.1", "192.168.1.1:8080"),
    *("167772161", "0xa000001", "0xc0a80001"),
    *("3232235521", "169.254.169.254/latest/meta-data", "169.254.170.2"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376"),
    *("169.254.43518", "169.16689662", "100.64.0.1"),
    *("100.100.100.200/latest/meta-data", "100.127.255.255", "168.63.129.16/machine"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]"),
    *("[::1]:6379", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"),
    *("[::ffff:169.254.169.254]", "[::ffff:10.0.0.1]", "[::127.0.0.1]"),
    *("[0:0:0:0:0:ffff:7f00:1]", "[fe80::1]", "[fc00::1]"),
    *("[fd00:ec2::254]", "[fec0::1]", "[ff02::1]"),
    *("[2001:db8::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]"),
    *("[2001:0:7f00:1::]", "[100::1]", "[::ffff:0:127.0.0.1]"),
    *("①②⑦.⓪.⓪.①", "１２７.０.０.１", "127。0。0。1"),
    *("①⑥⑨.②⑤④.①⑥⑨.②⑤④"),
]

NAMED = {
    "http://127.0.0.1./": ["127.0.0.1"],
    "http://localhost/": ["127.0.0.1"],
    "http://LOCALHOST./": ["::1"],
    "http://ⓛocalhost/": ["127.0.0.1"],
    "http://metadata.google.internal/computeMetadata/v1/": ["169.254.169.254"],
    "http://localtest.me/": ["127.0.0.1"],
    "http://127.0.0.1.nip.io/": ["127.0.0.1"],
    "http://intranet/": ["10.1.2.3"],
    "https://two-faced.example/": ["93.184.216.34", "192.168.0.1"],
    "https://two-faced.example/v6": ["2606:2800:220:1::1", "fe80::1%eth0"],
    "https://mapped.example/": ["::ffff:192.168.0.1"],
}

MALFORMED = [
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "ftp://example.com/a.json",
    "gopher://127.0.0.1:6379/_INFO",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "data:application/json,[]",
    "jar:http://example.com!/a",
    "//example.com/a.json",
    "example.com/a.json",
    "http:///a.json",
    "http://",
    "http://user:secret@example.com/a.json",
    "http://user@example.com/a.json",
    "http://example.com@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://example.com\\@127.0.0.1/",
    "http://example.com /a.json",
    "http://exa\nmple.com/",
    "http://example.com/\r\nHost: 127.0.0.1",
    "http://[::1%25lo]/",
    "http://[fe80::1%eth0]/",
    "http://[::1/",
    "http://example.com:99999/",
    "http://example.com:port/",
    "http://%31%32%37.0.0.1/",
    "http://" + "a" * 64 + ".example/",
]


def check(url: str, *, allow_private: bool = False) -> list[str]:
    host, port = host_and_port(checked_url(url))

    def resolve(host: str, port: int) -> list[str]:
        return NAMED[url] if url in NAMED else system_resolve(host, port)

    return checked_addresses(host, port, allow_private=allow_private, resolve=resolve)


@pytest.mark.parametrize("url", [*(f"http://{host}" for host in HOSTS), *NAMED, *MALFORMED])
def test_no_such_address_is_called(url: str) -> None:
    with pytest.raises(DatasetRejected) as caught:
        check(url)
    assert "secret" not in str(caught.value)


def test_there_are_many() -> None:
    assert len({*HOSTS, *NAMED, *MALFORMED}) >= 110


@pytest.mark.parametrize("url", ["http://93.184.216.34/", "http://[2606:2800:220:1::1]:8080/a"])
def test_public_addresses_are_called(url: str) -> None:
    assert len(check(url)) == 1


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[fd00::1]/", "http://intranet/"])
def test_private_ones_only_if_allowed(url: str) -> None:
    assert check(url, allow_private=True)


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://100.100.100.200/", "http://0.0.0.0/", "http://[fe80::1]/"],
)
def test_metadata_is_not_private_but_forbidden(url: str) -> None:
    with pytest.raises(DatasetRejected):
        check(url, allow_private=True)


def test_a_host_that_is_not_found() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(FetchFailed, match=r"the host nowhere\.example was not found"):
        checked_addresses("nowhere.example", 80, allow_private=False, resolve=resolve)
