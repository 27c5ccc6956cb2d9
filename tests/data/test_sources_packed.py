import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpus.archive_cases import archive_cases
from tests.corpus.case import Case
from tests.corpus.check import problem_of
from tests.corpus.reading import read_file
from tunesmith.data.sources import DataFile, read_rows

LINES = b'{"text": "a"}\n\n{"text": "b"}\n'
ROWS = [(1, {"text": "a"}), (3, {"text": "b"})]


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "compression"),
    [
        ("a.jsonl.gz", gzip.compress(LINES, mtime=0), "gzip"),
        ("a.JSONL.ZST", pa.compress(LINES, codec="zstd", asbytes=True), "zstd"),
        ("a.jsonl", LINES, ""),
    ],
)
def test_packed_files_are_read_as_they_are(
    tmp_path: Path, name: str, content: bytes, compression: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    files: list[DataFile] = []
    assert list(read_rows(path, on_file=lambda _, file: files.append(file))) == ROWS
    [file] = files
    assert (file.kind, file.compression, file.encoding) == (".jsonl", compression, "utf-8")


def test_the_files_of_a_zip_are_read_by_name_and_numbered_on(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", b_jsonl=LINES, a_jsonl=LINES)
    files: list[tuple[int, DataFile]] = []
    rows = list(read_rows(path, on_file=lambda before, file: files.append((before, file))))
    assert rows == [*ROWS, (4, {"text": "a"}), (6, {"text": "b"})]
    assert [(before, file.name) for before, file in files] == [
        (0, "a.zip (a.jsonl)"),
        (3, "a.zip (b.jsonl)"),
    ]


def test_parquet_is_read_from_archives(tmp_path: Path) -> None:
    content = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"]}), content)
    path = zipped(tmp_path / "a.zip", a_parquet=content.getvalue())
    assert list(read_rows(path)) == [(1, {"text": "a"}), (2, {"text": "b"})]


def test_parquet_values_are_those_of_its_own_reader(tmp_path: Path) -> None:
    turn = {"role": "user", "content": "a", "n": None}
    values = [
        {"messages": [turn, None, turn], "deep": {"a": [["x"], None, []]}, "n": 1, "t": None},
        {"messages": None, "deep": None, "n": None, "t": "x"},
        {"messages": [], "deep": {"a": None}, "n": 3, "t": ""},
    ] * 200
    table = pa.Table.from_pylist(values)
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=77)
    assert [row for _, row in read_rows(tmp_path / "a.parquet")] == table.to_pylist()


SMALL = [case for case in archive_cases() if isinstance(case.content, bytes)]


@pytest.mark.parametrize("case", SMALL, ids=[case.name for case in SMALL])
def test_unsafe_and_damaged_archives_are_refused(tmp_path: Path, case: Case) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    path = case.write(folder)
    accepted, sentence = read_file(path)
    assert problem_of(case, accepted=accepted, sentence=sentence) == ""
    assert list(folder.iterdir()) == [path]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_small_file_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.jsonl.gz"
    path.write_bytes(gzip.compress((json.dumps({"text": "a" * 99_000}) + "\n").encode() * 1100))
    accepted, sentence = read_file(path)
    assert not accepted
    assert sentence.startswith("bomb.jsonl.gz: unpacks to more than 200 times its size")
