import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.data.comparison import compare_versions
from tunesmith.data.dataset import DatasetVersion, import_dataset
from tunesmith.data.export import EXPORTS, export_version
from tunesmith.errors import Conflict, DatasetRejected, NotFound

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
ROWS: dict[str, dict[str, Any]] = {
    "messages": {
        "messages": [
            {"role": "user", "content": "1+1?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "content": "2", "tool_call_id": "c1"},
            {"role": "assistant", "content": "2"},
        ],
        "tools": [{"type": "function", "function": {"name": "add"}}],
    },
    "sharegpt": {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
    "alpaca": {
        "instruction": "c?",
        "input": "",
        "output": "d",
        "system": "brief",
        "history": [["a?", "b"]],
    },
    "preference": {
        "prompt": [{"role": "user", "content": "a?"}],
        "chosen": [{"role": "assistant", "content": "b"}],
        "rejected": [{"role": "assistant", "content": "c"}],
    },
    "classification": {"text": "good", "label": "yes"},
    "text": {"text": "once upon\na time"},
}


def imported(folder: Path, *rows: dict[str, Any], name: str = "rows") -> DatasetVersion:
    source = folder / f"{name}.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    return import_dataset(source, into=folder / "versions")


def test_every_export_has_an_example() -> None:
    assert ROWS.keys() == EXPORTS.keys()


@pytest.mark.parametrize("format", ROWS)
def test_what_is_exported_imports_as_the_same_version(tmp_path: Path, format: str) -> None:
    version = imported(tmp_path, ROWS[format])
    out = tmp_path / "out.jsonl"
    assert export_version(version, out, format=format) == 1
    assert import_dataset(out, into=tmp_path / "versions", format=format).id == version.id


@pytest.mark.parametrize(
    ("format", "row", "reason"),
    [
        ("text", "alpaca", "row 1 does not fit the format text: it is no plain text"),
        ("alpaca", "messages", "row 1 does not fit the format alpaca: it uses tools"),
        ("messages", "text", "row 1 does not fit the format messages: it is no conversation"),
        ("classification", "text", "it has no label"),
        ("preference", "text", "it is no pair of answers"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    tmp_path: Path, format: str, row: str, reason: str
) -> None:
    version = imported(tmp_path, ROWS[row])
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DatasetRejected, match=reason):
        export_version(version, tmp_path / "out.jsonl", format=format)
    assert sorted(tmp_path.iterdir()) == before


def test_a_file_is_not_overwritten_unasked(tmp_path: Path) -> None:
    version = imported(tmp_path, ROWS["text"])
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    with pytest.raises(Conflict, match="exists"):
        export_version(version, out, format="text")
    assert out.read_text() == "mine"
    export_version(version, out, format="text", overwrite=True)
    assert json.loads(out.read_text()) == ROWS["text"]
    with pytest.raises(NotFound, match="unknown export format 'texts'"):
        export_version(version, out, format="texts")
    with pytest.raises(NotFound, match="there is no folder"):
        export_version(version, tmp_path / "none" / "out.jsonl", format="text")


def test_versions_are_compared_by_content(tmp_path: Path) -> None:
    texts = [{"text": f"text {n}"} for n in range(10)]
    older = imported(tmp_path, *texts[:8])
    newer = imported(tmp_path, *reversed(texts[2:]), name="newer")
    difference = compare_versions(older, newer)
    counts = (difference.num_added, difference.num_removed, difference.num_common)
    assert counts == (2, 2, 6)
    assert [shown.texts for shown in difference.first_added] == [
        [("text", "text 9")],
        [("text", "text 8")],
    ]
    assert [shown.row for shown in difference.first_removed] == [1, 2]
    assert compare_versions(older, older).num_common == 8
