import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith import artifacts
from tunesmith.data.dataset import (
    DatasetVersion,
    derive_version,
    import_dataset,
    open_version,
    read_examples,
)
from tunesmith.errors import DatasetRejected, NotFound
from tunesmith.text.conversation import Conversation, Message, Passage

GOOD = [{"instruction": f"{n}+{n}?", "output": f"{2 * n}", "source": "book"} for n in range(9)]
BAD = {"instruction": "why?", "output": " "}


def json_lines(folder: Path, rows: list[dict[str, Any]], name: str = "sums.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_an_import_gives_back_its_examples_and_counts(tmp_path: Path) -> None:
    version = import_dataset(json_lines(tmp_path, [*GOOD, GOOD[0]]), into=tmp_path / "versions")
    rows = list(read_examples(version))
    assert [row for row, _ in rows] == list(range(1, 11))
    first = Conversation((Message("user", "0+0?"), Message("assistant", "0")))
    assert rows[0][1] == rows[9][1] == first
    stats = version.stats
    assert (version.num_examples, stats.num_rows, stats.num_rejected) == (10, 10, 0)
    assert (stats.format, stats.num_duplicates, stats.ignored_columns) == ("alpaca", 1, ["source"])
    assert stats.roles["assistant"].model_dump() == {
        "num_texts": 10,
        "num_characters": 14,
        "longest": 2,
    }
    assert open_version(version.folder) == version
    manifest = artifacts.verify(version.folder)
    assert manifest.kind == "dataset"
    assert manifest.lineage["source_sha256"] == artifacts.sha256_file(tmp_path / "sums.jsonl")


def test_passages_come_back_as_passages(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n\ntwo\n")
    version = import_dataset(tmp_path / "a.txt", into=tmp_path / "versions")
    assert list(read_examples(version)) == [(1, Passage("one")), (3, Passage("two"))]


def test_equal_content_is_one_version_whatever_its_file(tmp_path: Path) -> None:
    into = tmp_path / "versions"
    first = import_dataset(json_lines(tmp_path, GOOD), into=into)
    renamed = [{"q": row["instruction"], "a": row["output"]} for row in GOOD]
    again = import_dataset(
        json_lines(tmp_path, renamed, "other.jsonl"),
        into=into,
        mapping={"prompt": "q", "completion": "a"},
    )
    assert (first.existed, again.existed) == (False, True)
    assert again.id == first.id == "1b32d868215cabfb"  # the same on every machine
    assert import_dataset(json_lines(tmp_path, GOOD[::-1]), into=into).id != first.id


def test_a_damaged_version_is_imported_anew(tmp_path: Path) -> None:
    source = json_lines(tmp_path, GOOD)
    version = import_dataset(source, into=tmp_path / "versions")
    (version.folder / "data.parquet").write_bytes(b"")
    again = import_dataset(source, into=tmp_path / "versions")
    assert not again.existed
    assert len(list(read_examples(again))) == 9


def test_one_bad_row_refuses_the_import_and_leaves_nothing(tmp_path: Path) -> None:
    into = tmp_path / "versions"
    with pytest.raises(DatasetRejected) as caught:
        import_dataset(json_lines(tmp_path, [*GOOD, BAD]), into=into)
    assert caught.value.exit_code == 2
    assert caught.value.message == (
        "sums.jsonl, row 10: `output` is blank; 1 of 10 rows are no examples, 0 % are allowed"
    )
    assert "--allow-rejected PERCENT" in caught.value.hint
    assert list(into.iterdir()) == []


def test_allowed_rejections_are_listed(tmp_path: Path) -> None:
    source = json_lines(tmp_path, [BAD, *GOOD])
    with pytest.raises(DatasetRejected, match=r"9\.9 % are allowed"):
        import_dataset(source, into=tmp_path / "versions", max_rejected_percent=9.9)
    version = import_dataset(source, into=tmp_path / "versions", max_rejected_percent=10)
    assert (version.num_examples, version.stats.num_rejected) == (9, 1)
    listed = (version.folder / "rejected.jsonl").read_text()
    assert json.loads(listed) == {"row": 1, "field": "output", "reason": "is blank"}


def test_what_was_left_out_is_part_of_a_version(tmp_path: Path) -> None:
    into = tmp_path / "versions"
    whole = import_dataset(json_lines(tmp_path, GOOD), into=into)
    source = json_lines(tmp_path, [*GOOD, BAD], "more.jsonl")
    lossy = import_dataset(source, into=into, max_rejected_percent=10)
    assert list(read_examples(lossy)) == list(read_examples(whole))
    assert lossy.id != whole.id
    assert open_version(lossy.folder).stats.num_rejected == 1
    assert open_version(whole.folder).stats.num_rejected == 0
    again = import_dataset(source.rename(tmp_path / "a.jsonl"), into=into, max_rejected_percent=50)
    assert (again.id, again.existed) == (lossy.id, True)


def test_an_import_reports_on_its_own_source(tmp_path: Path) -> None:
    into = tmp_path / "versions"
    import_dataset(json_lines(tmp_path, GOOD), into=into)
    more = [row | {"page": 5} for row in GOOD]
    source = json_lines(tmp_path, more, "more.jsonl")
    source.write_text(source.read_text(), encoding="utf-16")
    again = import_dataset(source, into=into)
    assert again.existed
    assert again.stats.ignored_columns == ["page", "source"]
    assert (again.lineage["source"], again.lineage["encoding"]) == ("more.jsonl", "utf-16-le")


def test_no_example_at_all_is_refused_whatever_is_allowed(tmp_path: Path) -> None:
    with pytest.raises(DatasetRejected, match="all 2 of 2 rows are no examples"):
        import_dataset(
            json_lines(tmp_path, [BAD, BAD]), into=tmp_path / "versions", max_rejected_percent=100
        )


def test_a_rejected_field_is_named_as_in_the_file(tmp_path: Path) -> None:
    source = json_lines(
        tmp_path, [{"question": "a", "answer": ""}, {"question": "a", "answer": "b"}]
    )
    with pytest.raises(DatasetRejected, match="row 1: `answer` is blank"):
        import_dataset(
            source,
            into=tmp_path / "versions",
            mapping={"prompt": "question", "completion": "answer"},
        )


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        ([{"a": 1}], {}, "sums.jsonl: the columns a fit no format"),
        ([{"a": "b"}], {"mapping": {"text": "b"}}, "sums.jsonl: there is no column 'b' for text"),
        ([{"a": "b"}], {"format": "text"}, "sums.jsonl, row 1: `text` is missing or null"),
        ([*GOOD, {"instruction": 1}] * 200, {}, "sums.jsonl, row 10: `instruction` is 1"),
    ],
)
def test_refusals_name_the_file_and_leave_nothing(
    tmp_path: Path, rows: list[dict[str, Any]], options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DatasetRejected, match=sentence):
        import_dataset(json_lines(tmp_path, rows), into=tmp_path / "versions", **options)
    assert list((tmp_path / "versions").iterdir()) == []


def test_a_malformed_line_late_in_the_file_leaves_nothing(tmp_path: Path) -> None:
    source = json_lines(tmp_path, GOOD * 200)
    source.write_text(source.read_text() + "{")
    with pytest.raises(DatasetRejected, match=r"sums.jsonl, row 1801, line 1801, column 2"):
        import_dataset(source, into=tmp_path / "versions")
    assert list((tmp_path / "versions").iterdir()) == []


def test_unknown_formats_files_and_folders_are_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"unknown format 'alpacca' \(did you mean 'alpaca'"):
        import_dataset(json_lines(tmp_path, GOOD), into=tmp_path / "versions", format="alpacca")
    with pytest.raises(NotFound, match="there is no file"):
        import_dataset(tmp_path / "none.json", into=tmp_path / "versions")
    with pytest.raises(NotFound, match="is not a dataset version"):
        open_version(tmp_path)


def test_progress_counts_rows(tmp_path: Path) -> None:
    seen: list[int] = []
    source = tmp_path / "a.txt"
    source.write_text("passage\n" * 2250)
    import_dataset(source, into=tmp_path / "versions", on_progress=seen.append)
    assert seen == [1000, 2000, 2250]


# --- duplicates ------------------------------------------------------------------------------

LONG = "the quick brown fox jumps over the lazy dog and runs back home to the den again "


def left_out(version: DatasetVersion) -> list[dict[str, Any]]:
    lines = (version.folder / "rejected.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_exact_duplicates_are_dropped_on_request(tmp_path: Path) -> None:
    source = json_lines(tmp_path, [*GOOD, GOOD[3], BAD, GOOD[0], GOOD[3]])
    version = import_dataset(
        source, into=tmp_path / "versions", deduplicate="exact", max_rejected_percent=10
    )
    stats = version.stats
    assert (stats.num_rows, stats.num_examples) == (13, 9)
    assert (stats.num_rejected, stats.num_dropped, stats.num_duplicates) == (1, 3, 0)
    reasons = [(record["row"], record["reason"]) for record in left_out(version)]
    assert sorted(reasons) == [
        (10, "duplicate of row 4"),
        (11, "is blank"),
        (12, "duplicate of row 1"),
        (13, "duplicate of row 4"),
    ]
    plain = import_dataset(json_lines(tmp_path, GOOD, "plain.jsonl"), into=tmp_path / "versions")
    assert list(read_examples(plain)) == list(read_examples(version))
    assert (plain.stats.num_rejected, plain.stats.num_dropped) == (0, 0)


def test_near_duplicates_are_dropped_on_request(tmp_path: Path) -> None:
    texts = [LONG * 4, "something else", f"{LONG * 4} indeed", "Something, else!", LONG * 4]
    source = json_lines(tmp_path, [{"text": text} for text in texts])
    version = import_dataset(source, into=tmp_path / "versions", deduplicate="near")
    assert [row for row, _ in read_examples(version)] == [1, 2]
    reasons = [(record["row"], record["reason"]) for record in left_out(version)]
    assert reasons == [
        (3, "duplicate of row 1"),
        (4, "duplicate of row 2"),
        (5, "duplicate of row 1"),
    ]
    files = sorted(path.name for path in version.folder.iterdir())
    assert files == ["data.parquet", "manifest.json", "rejected.jsonl", "stats.json"]
    assert len(list((tmp_path / "versions").iterdir())) == 1


# --- versions made of versions ---------------------------------------------------------------


def test_a_derived_version_keeps_its_rows_and_origin(tmp_path: Path) -> None:
    into = tmp_path / "versions"
    whole = import_dataset(json_lines(tmp_path, GOOD), into=into)
    odd = [(row, example) for row, example in read_examples(whole) if row % 2]
    part = derive_version(odd, into=into, made="the odd rows", lineage={"of": whole.id})
    assert list(read_examples(part)) == odd
    assert (part.stats.format, part.stats.evidence) == ("derived", "the odd rows")
    manifest = artifacts.verify(part.folder)
    assert manifest.lineage == {"of": whole.id}
    with pytest.raises(DatasetRejected, match="nothing: no example is left"):
        derive_version([], into=into, made="nothing", lineage={})
    assert len(list(into.iterdir())) == 2
