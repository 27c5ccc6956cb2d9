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
        ("a.tsv", "text\nx\ny\n", [1, 2]),
        ("a.json", '{"text": "x"}\n{"text": "y"}\n', [1, 2]),
        ("a.ndjson", '{"text": "x"}\r{"text": "y"}', [1, 2]),
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
        ("a.xls", "x", "a.xls: files of kind '.xls' are not read (there are: .json, "),
        ("a.tar", "x", "a.tar: files of kind '.tar' are not read (there are: .json, "),
        ("a.json", '[{"a": 1},\n {"a": }]', "a.json, row 2, line 2, column 8: not valid JSON: "),
        ("a.json", '[{"a": 1} {"a": 2}]', "a.json, row 2, line 1, column 11: not valid JSON: "),
        (
            "a.json",
            '[{"a": 1}',
            "a.json, row 2, line 1, column 10: not valid JSON: expected ',' or",
        ),
        (
            "a.json",
            '[{"a": 1}] x',
            "a.json, row 2, line 1, column 12: not valid JSON: expected the",
        ),
        ("a.json", "5", "a.json, row 1, line 1, column 1: not valid JSON: expected a list of obj"),
        ("a.json", '{"a": 1}', "a.json, row 1: an object with one list is needed, this one has n"),
        ("a.json", '[{"a": 1}, 5]', "a.json, row 2: an object is needed, this is 5"),
        ("a.json", '[{"a": NaN}]', "a.json, row 1: NaN is not a JSON value"),
        ("a.json", '[{"a": 1}, {"a": 1, "a": 2}]', "a.json, row 2: the key 'a' is given twice"),
        ("a.json", f'[{{"a": {DEEP}', "a.json, row 1: nested too deeply"),
        ("a.jsonl", '{"a": 1}\n\n{"a"}', "a.jsonl, row 3, line 3, column 5: not valid JSON: "),
        ("a.jsonl", '{"a": 1}\n[1]', "a.jsonl, row 2: an object is needed, this is a list (write"),
        ("a.jsonl", '{"a": -Infinity}', "a.jsonl, row 1: -Infinity is not a JSON value"),
        ("a.jsonl", '{"a": 1, "a": 2}', "a.jsonl, row 1: the key 'a' is given twice"),
        ("a.jsonl", f'{{"a": {DEEP}', "a.jsonl, row 1: nested too deeply"),
        (
            "a.jsonl",
            b'{"a": 1}\n{"a": "\xff"}',
            "a.jsonl, line 2: not UTF-8 text: byte 17 of the file is 0xff",
        ),
        ("a.txt", "x".encode("utf-32"), "a.txt: is UTF-32, which is not read"),
        ("a.txt", "x\n\0y", "a.txt, line 2: holds a NUL character"),
        ("a.csv", "a,b\n1,2\n1\n", "a.csv, row 2, line 3: 1 fields for 2 columns"),
        ("a.csv", 'a,b\n"1\n",2\n\n1\n', "a.csv, row 2, line 5: 1 fields for 2 columns"),
        ("a.csv", "a,a\n1,2\n", "a.csv: the header names the column 'a' twice"),
        ("a.tsv", 'a\tb\n"1" x\t2\n', "a.tsv, row 1, line 2: not valid TSV: '\\t' expected after"),
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


def test_missing_files_and_devices(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no file"):
        list(read_rows(tmp_path / "a.json"))
    with pytest.raises(NotFound, match="is neither a file nor a folder"):
        list(read_rows(Path("/dev/null")))


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_json_lists_of_any_size_are_read_like_json_lines(tmp_path: Path, size: int) -> None:
    values = [
        {"text": 'é\\\n"' * (size // 4 + index), "n": [index, {"k": None}]} for index in range(5)
    ]
    rows = rows_of(tmp_path, "a.json", json.dumps(values, indent=2, ensure_ascii=False))
    assert [row for _, row in rows] == values
    assert rows == rows_of(tmp_path, "a.jsonl", "\n".join(map(json.dumps, values)))


def test_errors_far_into_a_json_list_name_their_line(tmp_path: Path) -> None:
    good = json.dumps({"text": "x" * 1000})
    content = "[\n" + f"{good},\n" * 5000 + '{"text": oops}]'
    with pytest.raises(
        DatasetRejected, match=r"^a.json, row 5001, line 5002, column 10: not valid"
    ):
        rows_of(tmp_path, "a.json", content)


def test_the_rows_before_an_error_are_given(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('[{"text": "a"}, {"text": "b"}, oops')
    rows = read_rows(path)
    assert [next(rows), next(rows)] == [(1, {"text": "a"}), (2, {"text": "b"})]
    with pytest.raises(DatasetRejected, match="row 3"):
        next(rows)
