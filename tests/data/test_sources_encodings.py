import json
from pathlib import Path

import pytest

from tunesmith.data.sources import DataFile, NumberedRow, read_rows
from tunesmith.errors import DatasetRejected

TEXT = "我们可以在这里看到，今天的天气很好 ABC。"


def read(path: Path) -> tuple[list[NumberedRow], str]:
    """The rows of `path`, and the encoding in which they were read."""
    files: list[DataFile] = []
    rows = list(read_rows(path, on_file=lambda _, file: files.append(file)))
    return rows, files[0].encoding


@pytest.mark.parametrize(
    ("encoding", "reported"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("gb18030", "gb18030"),
    ],
)
@pytest.mark.parametrize("num_rows", [1, 100_000])
def test_encodings_are_recognised_and_reported(
    tmp_path: Path, encoding: str, reported: str, num_rows: int
) -> None:
    path = tmp_path / "a.jsonl"
    line = json.dumps({"text": TEXT}, ensure_ascii=False)
    path.write_bytes("\r\n".join([line] * num_rows).encode(encoding))
    rows, recognised = read(path)
    assert recognised == reported
    assert rows[-1] == (num_rows, {"text": TEXT})
    assert len(rows) == num_rows


def test_the_first_bytes_beyond_ascii_decide_however_late_they_come(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"plain text, line after line\n" * 200_000 + TEXT.encode("gb18030"))
    (*_, last), encoding = read(path)
    assert encoding == "gb18030"
    assert last == (200_001, {"text": TEXT})


@pytest.mark.parametrize(
    "content",
    [
        (TEXT + "\n").encode() + TEXT.encode("gb18030"),
        (TEXT + "\n").encode("gb18030") * 30 + TEXT.encode(),
        "안녕하세요 저는 인공지능 도우미입니다".encode("euc-kr"),
        "今日は天気がいいですね".encode("shift_jis"),
        "Привет, сегодня хорошая погода".encode("cp1251"),
        "déjà vu".encode("latin-1"),
    ],
)
def test_what_is_not_surely_chinese_is_never_guessed(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(DatasetRejected, match=r"^a.txt, line \d+: not (UTF-8|GB18030) text: byte"):
        list(read_rows(path))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gb18030"])
@pytest.mark.parametrize("num_lines", [1, 100_000])
def test_the_first_bad_byte_is_named(tmp_path: Path, encoding: str, num_lines: int) -> None:
    path = tmp_path / "a.txt"
    good = (TEXT + "\n").encode(encoding) + (TEXT + "\n").encode(
        encoding.replace("16", "16-le")
    ) * (num_lines - 1)
    bad = b"\x00\xdc" if encoding == "utf-16" else b"\xff"
    path.write_bytes(good + bad + b"\n\0" * 10)
    place = (
        rf"line {num_lines + 1}: not {encoding.upper()} text: byte {len(good) + 1:,} of the file"
    )
    with pytest.raises(DatasetRejected, match=place):
        list(read_rows(path))


def test_rows_too_long_for_memory_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x" * 17_000_000)
    with pytest.raises(DatasetRejected, match="line 1: longer than 16,000,000 characters"):
        list(read_rows(path))


def test_the_length_of_a_row_is_in_characters_however_many_bytes_they_take(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("好" * 6_000_000, encoding="utf-8")
    assert [len(row["text"]) for _, row in read_rows(path)] == [6_000_000]
