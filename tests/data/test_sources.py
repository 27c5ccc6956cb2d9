import json
from pathlib import Path

import pytest

from tunesmith.data.sources import read_rows
from tunesmith.errors import DatasetRejected, NotFound


def rows_of(folder: Path, name: str, content: str | bytes) -> list[tuple[int, dict[str, object]]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_rows(path))


@pytest.mark.parametrize(
    ("name", "content", "numbers"),
    [
        ("a.json", '[{"text": "x"}, {"text": "y"}]', [1, 2]),
        ("a.json", '{"version": 1, "data": [{"text": "x"}, {"text": "y"}]}', [1, 2]),
        ("a.jsonl", '{"text": "x"}\n\n{"text": "y"}', [1, 3]),
        ("a.jsonl", '{"text": "x"}\r\n{"text": "y"}\r\n', [1, 2]),
        ("a.csv", "text\nx\n\ny\n", [1, 2]),
        ("a.TXT", "x\n  \ny", [1, 3]),
        ("a.md", "x\ny\n", [1, 2]),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_every_kind_is_read_with_the_users_row_numbers(
    tmp_path: Path, name: str, content: str, numbers: list[int], mark: str
) -> None:
    rows = rows_of(tmp_path, name, mark + content)
    assert rows == [(numbers[0], {"text": "x"}), (numbers[1], {"text": "y"})]


def test_csv_fields_may_hold_commas_lines_and_long_texts(tmp_path: Path) -> None:
    long = "x" * 200_000
    rows = rows_of(tmp_path, "a.csv", f'a,b\r\n"1,\n""2""",{long}\r\n')
    assert rows == [(1, {"a": '1,\n"2"', "b": long})]


def test_line_separators_inside_json_texts_do_not_end_a_row(tmp_path: Path) -> None:
    line = json.dumps({"text": "a\u2028b\x85c"}, ensure_ascii=False)
    assert rows_of(tmp_path, "a.jsonl", line) == [(1, {"text": "a\u2028b\x85c"})]


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", "", "a.json is empty"),
        ("a.json", " \n", "a.json is empty"),
        ("a.json", "[]", "a.json is empty"),
        ("a.jsonl", "\n\n", "a.jsonl is empty"),
        ("a.csv", "text\n", "a.csv is empty"),
        ("a.txt", "", "a.txt is empty"),
        ("a.xlsx", "x", "a.xlsx: files of kind '.xlsx' are not read (there are: .json, "),
        ("a.json", '[{"a": 1},\n {"a": }]', "a.json, row 2, line 2, column 8: not valid JSON: "),
        ("a.json", '[{"a": 1} {"a": 2}]', "a.json, row 2, line 1, column 11: not valid JSON: "),
        (
            "a.json",
            '[{"a": 1}',
            "a.json, row 2, line 1, column 10: not valid JSON: expected ',' or",
        ),
        ("a.json", '[{"a": 1}] x', "a.json, row 2, line 1, column 10: not valid JSON"),
        ("a.json", "5", "a.json, row 1, line 1, column 1: not valid JSON: expected a list of obj"),
        ("a.json", '{"a": 1}', "a.json, row 1: an object with one list is needed, this one has 0"),
        ("a.json", '[{"a": 1}, 5]', "a.json, row 2: an object is needed, this is 5"),
        ("a.json", '[{"a": NaN}]', "a.json, row 1: NaN is not a JSON value"),
        ("a.json", '[{"a": 1}, {"a": 1, "a": 2}]', "a.json, row 2: the key 'a' is given twice"),
        ("a.json", f'[{{"a": {DEEP}', "a.json, row 1: nested too deeply"),
        ("a.jsonl", '{"a": 1}\n\n{"a"}', "a.jsonl, row 3, line 3, column 5: not valid JSON: "),
        ("a.jsonl", '{"a": 1}\n[1]', "a.jsonl, row 2: an object is needed, this is [1]"),
        ("a.jsonl", '{"a": -Infinity}', "a.jsonl, row 1: -Infinity is not a JSON value"),
        ("a.jsonl", '{"a": 1, "a": 2}', "a.jsonl, row 1: the key 'a' is given twice"),
        ("a.jsonl", f'{{"a": {DEEP}', "a.jsonl, row 1: nested too deeply"),
        ("a.jsonl", b'{"a": 1}\n{"a": "\xff"}', "a.jsonl, line 2: not UTF-8 text (at byte 8)"),
        ("a.txt", "x".encode("utf-16"), "a.txt, line 1: not UTF-8 text (at byte 1)"),
        ("a.csv", "a,b\n1,2\n1\n", "a.csv, row 2: 1 fields for 2 columns"),
        ("a.csv", "a,a\n1,2\n", "a.csv: the header names a column twice: a"),
        ("a.csv", 'a\n"1\n', "a.csv, row 1, line 2: not valid CSV: unexpected end of data"),
        ("a.csv", 'a\n"1" x\n', "a.csv, row 1, line 2: not valid CSV"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_sentence(
    tmp_path: Path, name: str, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(DatasetRejected) as caught:
        rows_of(tmp_path, name, content)
    assert str(caught.value).startswith(sentence)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        list(read_rows(tmp_path / "a.json"))
    with pytest.raises(NotFound, match="is not a file"):
        list(read_rows(tmp_path))
