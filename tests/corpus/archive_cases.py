"""Compressed files and archives: damage, bombs, and members that are no plain files."""

import gzip
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from tests.corpus.case import ROW, Case

_LINES = "".join(json.dumps(ROW | {"input": str(i)}) + "\n" for i in range(2000)).encode()
_ROW = (json.dumps(ROW) + "\n").encode()
_BOMB_BYTES = 300_000_000


def archive_cases() -> Iterator[Case]:
    yield from _streams()
    yield from _members()
    yield from _unsafe_members()
    yield from _damaged()
    yield from _bombs()


def _pack(kind: str, content: bytes) -> bytes:
    if kind == "gz":
        return gzip.compress(content, mtime=0)
    return pa.compress(content, codec="zstd", asbytes=True)


def _streams() -> Iterator[Case]:
    for kind in ("gz", "zst"):
        good = _pack(kind, _LINES)
        yield Case(f"good.jsonl.{kind}", good, "accepted")
        yield Case(f"good.csv.{kind}", _pack(kind, b"text\na\n"), "accepted")
        yield Case(f"two-frames.jsonl.{kind}", good + good, "accepted")
        yield Case(f"garbage-after.jsonl.{kind}", good + b"garbage", place="damaged")
        yield Case(f"empty.jsonl.{kind}", b"", place="is empty")
        yield Case(f"nothing-inside.jsonl.{kind}", _pack(kind, b""), place="is empty")
        yield Case(f"not-packed.jsonl.{kind}", _LINES, place="damaged")
        yield Case(f"nameless.{kind}", good, place="does not say")
        yield Case(f"nested.jsonl.gz.{kind}", _pack(kind, good), place="not read")
        yield Case(f"archive.tar.{kind}", good, place="not read")
        yield Case(f"bad-row.jsonl.{kind}", _pack(kind, _LINES + b"{"), place="row 2001")
        yield Case(f"bad-byte.jsonl.{kind}", _pack(kind, _LINES + b"\xff"), place="line 2001")
        for cut in range(1, len(good), len(good) // 5):
            yield Case(f"cut-{cut:05}.jsonl.{kind}", good[:cut], place="damaged")
        flipped = bytearray(good)
        flipped[len(good) // 2] ^= 0xFF
        yield Case(f"flipped.jsonl.{kind}", bytes(flipped), "either")
    wrong_sum = bytearray(_pack("gz", _LINES))
    wrong_sum[-6] ^= 1
    yield Case("wrong-sum.jsonl.gz", bytes(wrong_sum), place="damaged")


def _zip(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(content, "w") as archive:
        for name, data in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return content.getvalue()


def _members() -> Iterator[Case]:
    yield Case("good.zip", _zip(("a.jsonl", _LINES)), "accepted")
    yield Case("several.zip", _zip(("b.jsonl", _ROW), ("x/a.jsonl", _ROW)), "accepted")
    yield Case("folders.zip", _zip(("x/", b""), ("x/a.jsonl", _ROW)), "accepted")
    yield Case("mac.zip", _zip(("a.jsonl", _ROW), ("__MACOSX/._a.jsonl", b"\0")), "accepted")
    yield Case("kinds.zip", _zip(("a.jsonl", _ROW), ("b.csv", b"text\na\n")), place="several kinds")
    about = [("LICENSE", b"MIT"), ("x/README.md", b"# Data"), ("logo.png", b"\x89PNG")]
    yield Case("about.zip", _zip(("a.jsonl", _ROW), *about), "accepted")
    yield Case("only-about.zip", _zip(*about), place="no data file but LICENSE")
    yield Case("no-members.zip", _zip(), place="is empty")
    yield Case("only-folders.zip", _zip(("x/", b"")), place="is empty")
    yield Case("empty-member.zip", _zip(("a.jsonl", b"")), place="is empty")
    yield Case(
        "bad-row.zip", _zip(("a.jsonl", _ROW), ("b.jsonl", _ROW + b"{")), place="b.jsonl.*row 2"
    )
    many = [(f"{i}.jsonl", _ROW) for i in range(1001)]
    yield Case("many-members.zip", _zip(*many), place="more than 1000")
    yield Case("long-names.zip", _zip(*((f"{i}{'n' * 60_000}.jsonl", _ROW) for i in range(20))))
    for inner in ("a.zip", "a.jsonl.gz", "a.tar", "a.tgz", "a.jsonl.zst", "a.7z"):
        yield Case(f"nested-{inner.replace('.', '-')}.zip", _zip((inner, _ROW)), place="once more")
    yield Case("table.zip", _zip(("a.csv", b'text\n"a\n')), place="row 1, line 2")
    yield Case("parquet-text.zip", _zip(("a.parquet", _ROW)), place="not a valid")


def _unsafe_members() -> Iterator[Case]:
    names = {
        "parent": "../a.jsonl",
        "deep-parent": "x/../../a.jsonl",
        "inner-parent": "x/../a.jsonl",
        "absolute": "/etc/a.jsonl",
        "backslash": "..\\a.jsonl",
        "drive": "C:\\a.jsonl",
        "drive-slash": "c:/a.jsonl",
        "share": "//server/share/a.jsonl",
        "home": "~/../a.jsonl",
    }
    for name, path in names.items():
        yield Case(f"slip-{name}.zip", _zip((path, _ROW)), place="out of the archive")
    for name, mode in {
        "symlink": 0o120777,
        "device": 0o020666,
        "fifo": 0o010666,
        "socket": 0o140666,
    }.items():
        info = zipfile.ZipInfo("a.jsonl")
        info.create_system = 3
        info.external_attr = mode << 16
        yield Case(f"{name}.zip", _zip((info, b"/etc/passwd")), place="not a file")
    yield Case("twice.zip", _zip(("a.jsonl", _ROW), ("a.jsonl", _ROW)), place="twice")
    yield Case("encrypted.zip", _flagged(_zip(("a.jsonl", _ROW)), 1), place="encrypted")
    yield Case("no-name.zip", _zip(("", _ROW)), place="has no name")
    yield Case("strange-name.zip", _zip(("a\n\x1b[31m\u202e.jsonl", _ROW)), "either")


def _flagged(archive: bytes, flag: int) -> bytes:
    """Set a flag of the first member, in its header and in the directory."""
    result = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        result[result.index(signature) + offset] |= flag
    return bytes(result)


def _damaged() -> Iterator[Case]:
    good = _zip(("a.jsonl", _LINES))
    for cut in range(10, len(good), len(good) // 8):
        yield Case(f"cut-{cut:05}.zip", good[:cut], place="not a valid")
    yield Case("not-packed.zip", _LINES, place="not a valid")
    yield Case("garbage-before.zip", b"garbage" + good, "either")
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 0xFF
    yield Case("flipped.zip", bytes(flipped), place="a.jsonl")
    at = good.index(b"PK\x01\x02")
    wrong = {"method": (10, "<H", 99), "sum": (16, "<L", 1), "offset": (42, "<L", 10**9)}
    wrong |= {"size": (24, "<L", 10), "packed": (20, "<L", 3)}
    for name, (offset, form, value) in wrong.items():
        lying = bytearray(good)
        struct.pack_into(form, lying, at + offset, value)
        yield Case(f"lying-{name}.zip", bytes(lying))
    lying = bytearray(good)
    struct.pack_into("<HHLL", lying, len(good) - 14, 65_535, 65_535, 2**32 - 1, 0)
    yield Case("lying-directory.zip", bytes(lying), place="more than 1000|not a valid")


def _bombs() -> Iterator[Case]:
    """They are made only while they are written, so that the checker's own memory stays small."""
    for name, kind, make in [
        ("lines.jsonl", "gz", _long_lines),
        ("lines.jsonl", "zst", _long_lines),
        ("zeros.txt", "gz", _zeros),
        ("zeros.parquet", "gz", _zeros),
        ("zeros.xlsx", "zst", _zeros),
    ]:
        write = partial(_write_packed, kind=kind, make=make)
        yield Case(f"bomb-{name}.{kind}", write, place="longer than|times its size")
    yield Case("bomb-lines.zip", partial(_write_zip_bomb, num_members=1), place="times its size")
    yield Case("bomb-parts.zip", partial(_write_zip_bomb, num_members=6), place="times its size")


def _long_lines() -> bytes:
    return (b'{"text": "' + b"a" * 1000 + b'"}\n') * (_BOMB_BYTES // 1013)


def _zeros() -> bytes:
    return b"0" * _BOMB_BYTES


def _write_packed(path: Path, *, kind: str, make: Callable[[], bytes]) -> None:
    path.write_bytes(_pack(kind, make()))


def _write_zip_bomb(path: Path, *, num_members: int) -> None:
    part = _long_lines()[: _BOMB_BYTES // num_members]
    path.write_bytes(_zip(*((f"{i}.jsonl", part + b'"}\n') for i in range(num_members))))
