"""A look into a file says beforehand what an import would say."""

import json
from pathlib import Path

import pytest

from tunesmith.data.dataset import import_dataset
from tunesmith.data.peek import peek
from tunesmith.errors import NotFound

ROWS = [
    {"frage": "Wer?", "antwort": "Ich."},
    {"frage": "Wann?", "antwort": ""},
    {"frage": "Wo?", "antwort": "Hier."},
]
MAPPING = {"prompt": "frage", "completion": "antwort"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "fragen.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def test_where_no_format_fits_the_rows_are_shown_as_they_are(source: Path) -> None:
    found = peek(source, format=None, mapping={})
    assert found.format is None
    assert "fit no format" in found.problem
    assert found.columns == ("frage", "antwort")
    assert [row.values for row in found.rows] == ROWS
    assert [row.example for row in found.rows] == [None] * 3


def test_a_mapping_shows_examples_and_what_an_import_would_refuse(
    source: Path, tmp_path: Path
) -> None:
    found = peek(source, format=None, mapping=MAPPING)
    assert (found.format, found.problem) == ("prompt-completion", "")
    first, second, _ = found.rows
    assert first.example is not None
    assert [turn["content"] for turn in first.example["messages"]] == ["Wer?", "Ich."]
    assert (second.example, second.field, second.reason) == (None, "antwort", "is blank")
    version = import_dataset(
        source, into=tmp_path / "versions", mapping=MAPPING, max_rejected_percent=50
    )
    assert version.stats.evidence == found.evidence
    rejected = json.loads((version.folder / "rejected.jsonl").read_text())
    assert rejected == {"row": second.row, "field": second.field, "reason": second.reason}


def test_a_mapping_that_leads_nowhere_is_a_problem(source: Path) -> None:
    found = peek(source, format=None, mapping={"prompt": "nichts"})
    assert "no column 'nichts'" in found.problem
    with pytest.raises(NotFound):
        peek(source, format="none such", mapping={})


def test_what_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"prompt": \n')
    assert "broken.jsonl" in peek(path, format=None, mapping={}).problem
    path.write_text("\n")
    assert peek(path, format=None, mapping={}).problem == "broken.jsonl is empty"


def test_huge_rows_are_read_no_further_than_needed_and_shown_by_their_beginning(
    tmp_path: Path,
) -> None:
    path = tmp_path / "huge.jsonl"
    with path.open("w") as file:
        for _ in range(50):
            file.write(json.dumps({"text": "x" * 3_000_000}) + "\n")
    found = peek(path, format="text", mapping={})
    assert len(found.rows) == 2  # the second leads beyond what is read at most
    assert len(found.rows[0].values["text"]) < 400
