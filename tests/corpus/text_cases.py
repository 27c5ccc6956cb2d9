"""Encodings, line ends, empty files and endless lines, in every kind of text."""

import codecs
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.corpus.case import ROW, ZH_ROW, Case, Verdict

_SENTENCES = {
    "zh": "我们可以在这里看到，今天的天气很好，大家都想出去走走。",
    "ja": "こんにちは、私は人工知能です。今日は天気がいいですね。",
    "ko": "안녕하세요 저는 인공지능 도우미입니다 오늘 날씨가 정말 좋습니다",
    "ru": "Привет, я искусственный интеллект, сегодня хорошая погода",
    "fr": "Voilà déjà une idée très naïve, élève !",
}
_ENCODINGS: list[tuple[str, str, Verdict]] = [
    ("utf-8", "zh", "accepted"),
    ("utf-8-sig", "zh", "accepted"),
    ("utf-16", "zh", "accepted"),
    ("utf-16-le", "zh", "accepted"),
    ("utf-16-be", "zh", "accepted"),
    ("gb18030", "zh", "accepted"),
    ("gbk", "zh", "accepted"),
    ("utf-32", "zh", "refused"),
    ("big5", "zh", "refused"),
    ("shift_jis", "ja", "refused"),
    ("euc-jp", "ja", "refused"),
    ("euc-kr", "ko", "refused"),
    ("cp1251", "ru", "refused"),
    ("latin-1", "fr", "refused"),
]


def text_cases() -> Iterator[Case]:
    yield from _encodings()
    yield from _bad_bytes()
    yield from _line_ends()
    yield from _empty()
    yield from _endless()


def _documents(text: str) -> dict[str, str]:
    row = {"text": text}
    return {
        "jsonl": (json.dumps(row, ensure_ascii=False) + "\n") * 5,
        "json": json.dumps([row] * 5, ensure_ascii=False, indent=1),
        "csv": "id,text\n" + f'1,"{text}"\n' * 5,
        "tsv": "id\ttext\n" + f"1\t{text}\n" * 5,
        "txt": f"{text}\n" * 5,
        "md": f"# {text}\n\n{text}\n",
    }


def _encodings() -> Iterator[Case]:
    for encoding, language, verdict in _ENCODINGS:
        sentence = _SENTENCES[language]
        if encoding == "big5":  # it has no simplified characters
            sentence = "我們可以在這裡看到今天的天氣很好，大家都想出去走走。"
        for kind, text in _documents(sentence).items():
            name = f"encoding-{encoding}.{kind}"
            yield Case(name, text.encode(encoding), verdict, "line [1-3]|UTF-32")


def _bad_bytes() -> Iterator[Case]:
    bad = {
        "ff": b"\xff",
        "fe-ff-inside": b"\xfe\xff",
        "overlong": b"\xc0\x80",
        "surrogate": b"\xed\xa0\x80",
        "too-high": b"\xf5\x80\x80\x80",
        "stray-continuation": b"\x80",
        "cut-sequence": b"\xe4\xbd",
        "nul": b"\0",
        "gb18030": "混合编码".encode("gb18030"),
        "utf-16": "混合".encode("utf-16-le"),
    }
    for name, wrong in bad.items():
        for kind, text in _documents("héllo 你好").items():
            head = text.encode()
            at = head.rindex("你好".encode())
            content = head[:at] + wrong + head[at:]
            yield Case(f"bytes-{name}.{kind}", content, place=r"line \d|row \d")
    late = b'{"text": "a"}\n' * 200_000 + b'{"text": "\xff"}\n'
    yield Case("bytes-late.jsonl", late, place="line 200001")
    yield Case("cut-character.txt", "a\n你".encode()[:-1], place="line 2")
    yield Case(
        "mark-inside.jsonl",
        b'{"text": "a"}\n' + codecs.BOM_UTF8 + b'{"text": "b"}\n',
        place="row 2",
    )
    for magic in (b"\x1f\x8b\x08\0", b"PK\x03\x04", b"PAR1", b"%PDF-1.4", b"\x89PNG\r\n\x1a\n\0"):
        name = "".join(chr(c) if chr(c).isalnum() else "-" for c in magic)
        yield Case(f"magic-{name}.jsonl", magic + bytes(range(256)))


def _line_ends() -> Iterator[Case]:
    for name, end in {"crlf": "\r\n", "cr": "\r", "lf": "\n", "crcrlf": "\r\r\n"}.items():
        for kind, text in _documents("hello").items():
            content = text.replace("\n", end).encode()
            yield Case(f"ends-{name}.{kind}", content, "accepted")
    yield Case(
        "ends-mixed.jsonl", b'{"text":"a"}\n{"text":"b"}\r\n{"text":"c"}\r{"text":"d"}', "accepted"
    )
    separators = json.dumps({"text": "a\u2028b\x85c\x0cd"}, ensure_ascii=False).encode()
    yield Case("ends-inside.jsonl", separators, "accepted")


def _empty() -> Iterator[Case]:
    for kind in ("json", "jsonl", "csv", "tsv", "txt", "md", "xlsx", "parquet"):
        yield Case(f"nothing.{kind}", b"", place="is empty|not a valid")
        yield Case(f"blank.{kind}", b"\n \n\t\n\n", "refused")
        yield Case(f"mark-only.{kind}", codecs.BOM_UTF8)
    for kind in ("", "doc", "xls", "pkl", "py", "tar", "7z", "jsonl.bz2"):
        yield Case(f"unknown.{kind}".rstrip("."), b"abc", place="not read")


def _endless() -> Iterator[Case]:
    """Rows of 100 MB, which would not fit in memory several times."""
    for kind, (head, tail) in {
        "jsonl": ('{"text": "', '"}\n'),
        "json": ('[{"text": "', '"}]'),
        "csv": ('text\n"', '"\n'),
        "tsv": ("text\n", "\n"),
        "txt": ("", "\n"),
    }.items():
        for name, text in {"a": "a", "zh": "中", "wide": "😀", "lines": "\n"}.items():
            # Lines end a row everywhere but within the quotes of CSV.
            if (name == "lines") != (kind == "csv"):
                continue
            write = partial(_write_repeated, head=head, text=text, tail=tail)
            yield Case(f"endless-{name}.{kind}", write, place="row 1|line [12]")
    many = partial(
        _write_repeated, head="", text=json.dumps(ROW) + "\n", tail="", num_bytes=20_000_000
    )
    yield Case("many-rows.jsonl", many, "accepted")
    pretty = json.dumps(ZH_ROW, ensure_ascii=False, indent=8) + ",\n"
    listed = partial(_write_repeated, head="[", text=pretty, tail="{}]", num_bytes=20_000_000)
    yield Case("many-rows.json", listed, place=r"row \d")
    spaces = partial(_write_repeated, head="[", text=" " * 1000 + "\n", tail='{"text": "a"}]')
    yield Case("spaces.json", spaces, "accepted")
    blank = partial(_write_repeated, head='{"text": "a"}', text="\n" * 1000, tail="")
    yield Case("blank-lines.jsonl", blank, "accepted")


def _write_repeated(
    path: Path, *, head: str, text: str, tail: str, num_bytes: int = 100_000_000
) -> None:
    piece = text.encode() * max(1, 1_000_000 // len(text.encode()))
    with path.open("wb") as file:
        file.write(head.encode())
        for _ in range(num_bytes // len(piece)):
            file.write(piece)
        file.write(tail.encode())
