"""A folder is read as one source: in order, numbered on, and nothing passed over in silence."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.artifacts import read_manifest, sha256_file
from tunesmith.data.dataset import import_dataset, read_examples
from tunesmith.data.sources import DataFile, files_left_out, read_rows
from tunesmith.errors import DatasetRejected

GOOD = {"instruction": "Name a colour.", "output": "Blue."}
BLANK = GOOD | {"output": " "}


def folder_of(path: Path, **files: Any) -> Path:
    """A folder of JSON Lines; `sub__b` is the file b.jsonl in the folder sub."""
    for name, rows in files.items():
        file = path / f"{name.replace('__', '/')}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def rows(first: int, last: int) -> list[dict[str, str]]:
    return [GOOD | {"instruction": f"say {number}"} for number in range(first, last + 1)]


def test_files_are_read_in_the_order_of_their_paths_and_numbered_on(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "chats", b=rows(3, 4), a=rows(1, 2), sub__a=rows(5, 5))
    (folder / "z.jsonl.gz").write_bytes(gzip.compress(json.dumps(rows(6, 6)[0]).encode()))
    files: list[DataFile] = []
    numbered = list(read_rows(folder, on_file=lambda _, file: files.append(file)))
    assert [number for number, _ in numbered] == [1, 2, 3, 4, 5, 6]
    assert [row for _, row in numbered] == rows(1, 6)
    assert [file.compression for file in files] == ["", "", "", "gzip"]


def test_an_import_lists_every_file_with_its_digest(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "chats", b=rows(3, 3), a=rows(1, 2))
    for name in ("notes.docx", "README.md", ".DS_Store"):
        (folder / name).write_bytes(b"?")
    version = import_dataset(folder, into=tmp_path / "versions")
    manifest = read_manifest(version.folder)
    assert manifest is not None
    assert manifest.lineage["files"] == [
        {"file": "chats/a.jsonl", "first_row": 1, "sha256": sha256_file(folder / "a.jsonl")},
        {"file": "chats/b.jsonl", "first_row": 3, "sha256": sha256_file(folder / "b.jsonl")},
    ]
    assert manifest.lineage["left_out"] == ["README.md", "notes.docx"]
    one = folder_of(tmp_path, all=rows(1, 3)) / "all.jsonl"
    assert import_dataset(one, into=tmp_path / "versions").id == version.id
    before = manifest.lineage["source_sha256"]
    (folder / "b.jsonl").rename(folder / "c.jsonl")
    again = import_dataset(folder, into=tmp_path / "elsewhere")
    assert again.id == version.id
    renamed = read_manifest(again.folder)
    assert renamed is not None
    assert renamed.lineage["source_sha256"] != before


def test_files_with_long_names_and_several_encodings(tmp_path: Path) -> None:
    folder = tmp_path / "chats"
    parent = folder / ("deep" * 20) / ("deeper" * 10)
    parent.mkdir(parents=True)
    for number, encoding in enumerate(("utf-8", "gb18030", "utf-8")):
        (parent / f"{number}.txt").write_text("我们的数据是在这里的。\n", encoding)
    version = import_dataset(folder, into=tmp_path / "versions")
    assert version.lineage["encoding"] == "utf-8, gb18030"
    names = [file["file"] for file in version.lineage["files"]]
    assert [name[-6:] for name in names] == ["/0.txt", "/1.txt", "/2.txt"]


def test_a_rejected_row_is_named_by_its_file(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "chats", a=rows(1, 5), b=[*rows(6, 7), BLANK])
    with pytest.raises(DatasetRejected, match=r"^chats/b\.jsonl, row 3: `output` is blank; 1 of 8"):
        import_dataset(folder, into=tmp_path / "versions")
    version = import_dataset(folder, into=tmp_path / "versions", max_rejected_percent=20)
    listed = json.loads((version.folder / "rejected.jsonl").read_text())
    assert listed["row"] == 8
    assert [row for row, _ in read_examples(version)] == [1, 2, 3, 4, 5, 6, 7]


def test_a_file_of_another_format_is_named(tmp_path: Path) -> None:
    labelled = [{"text": "a", "label": "b"}]
    folder = folder_of(tmp_path / "mixed", a=[{"text": "a"}], b=[], c=labelled)
    with pytest.raises(
        DatasetRejected, match=r"^mixed/c\.jsonl has the format classification, the"
    ):
        import_dataset(folder, into=tmp_path / "versions")
    version = import_dataset(folder, into=tmp_path / "versions", format="text")
    assert version.num_examples == 2


def test_blank_lines_at_the_end_of_a_file_are_not_numbered(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "chats", a=rows(1, 2), b=rows(3, 3))
    with (folder / "a.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n\u3000\n\n \n")
    assert [number for number, _ in read_rows(folder)] == [1, 2, 3]


def test_a_file_of_no_format_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mixed", a=rows(1, 1), c=[{"x": 1}])
    with pytest.raises(DatasetRejected, match=r"mixed/c\.jsonl: the columns x fit no format"):
        import_dataset(folder, into=tmp_path / "versions")


def test_links_are_reported_and_never_followed_into_a_circle(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "chats", a=rows(1, 1))
    (folder / "loop").symlink_to(folder)
    assert len(list(read_rows(folder))) == 1
    assert files_left_out(folder) == ("loop",)
    (folder / "b.jsonl").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DatasetRejected, match=r"chats/b\.jsonl is not a file that can be read"):
        list(read_rows(folder))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "^chats is empty"),
        ([".hidden.jsonl"], "^chats is empty"),
        (["README.md", "x.pdf"], r"^chats holds no data file but README\.md, x\.pdf"),
        (["a.csv", "b.tsv"], r"^chats holds files of several kinds: \.csv \(a\.csv\), \.tsv"),
        (["a.csv", "b.zip"], r"^chats \(b\.zip\): is an archive"),
        ([f"{number}.csv" for number in range(1001)], "^chats has more than 1000 files"),
    ],
)
def test_folders_that_are_refused(tmp_path: Path, names: list[str], sentence: str) -> None:
    folder = tmp_path / "chats"
    folder.mkdir()
    for name in names:
        (folder / name).write_text("text\na\n")
    with pytest.raises(DatasetRejected, match=sentence):
        list(read_rows(folder))
