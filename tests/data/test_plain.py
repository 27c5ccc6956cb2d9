"""Blocks read by the column are what they are row by row, or are left to that."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.data.dataset import import_dataset, read_examples
from tunesmith.data.formats import rename
from tunesmith.data.plain import plain_chats
from tunesmith.data.reading import Reader
from tunesmith.data.sources import JsonLines, Row
from tunesmith.errors import DatasetRejected

SAMPLE: list[Row] = [
    {"conversations": [{"from": "human", "value": "a"}], "id": 1, "origin": "x", "kept": None},
    {"conversations": [{"from": "gpt", "value": "b"}], "id": 2, "origin": None, "kept": "y"},
]
MESSAGES: list[Row] = [{"messages": [{"role": "user", "content": "a"}]}]

texts = st.text(max_size=8) | st.sampled_from(
    ["hi", "héllo", "", " \x1c\n", "\x00", "}\n{", "\ud800"]
)
turns = st.fixed_dictionaries(
    {"from": st.sampled_from(["human", "gpt", "gpt", "system", "user"]), "value": texts}
)
odd_turns = st.one_of(
    st.none(),
    st.just("text"),
    st.fixed_dictionaries({"from": st.sampled_from(["tool", "function_call", "robot", 1])}),
    st.fixed_dictionaries({"from": st.just("gpt"), "value": texts, "weight": st.integers(0, 1)}),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": texts}),
)
rows = st.fixed_dictionaries(
    {"conversations": st.lists(turns, max_size=4)},
    optional={"id": st.integers(0, 9), "origin": texts, "kept": texts},
)
odd_rows = st.fixed_dictionaries(
    {"conversations": st.lists(turns | odd_turns, max_size=3) | st.none() | texts},
    optional={
        "id": st.none() | st.floats() | st.integers() | st.booleans() | texts,
        "origin": st.none() | st.integers() | st.lists(texts, max_size=1),
        "system": texts,
        "other": texts,
    },
)
lines = st.one_of(
    rows.map(json.dumps),
    rows.map(lambda row: json.dumps(row, ensure_ascii=False)).filter(
        lambda line: "\ud800" not in line
    ),
    odd_rows.map(json.dumps),
    st.sampled_from(
        [
            "",
            "  ",
            "[]",
            "{}",
            "{",
            '{"id": 1, "id": 2}',
            '{"id": null, "id": 2}',
            '{"conversations": [{"from": "gpt", "from": "gpt", "value": "a"}]}',
            '{"conversations": [{"from": "gpt", "value": null, "value": "a"}]}',
            '{"conversations": [{"from": "gpt", "value": "a"}], "id": 01}',
            '{"conversations": [{"from": "gpt", "value": "a"}], "id": -0}',
            '{"conversations": [{"from": "gpt", "value": "a"}], "id": 1e400}',
            '{"conversations": [{"from": "gpt", "value": "\\ud83d\\ude00"}]}',
            '{"conversations": [{"from": "gpt", "value": "a\tb"}]}',
            '{"conversations": [{"from": "gpt", "value": "a"}]} {"id": 2}',
            '{"conversations": [{"from": "gpt", "value": "a"}]',
            ', "id": 7}',
            '{"c\\u006fnversations": [{"from": "gpt", "value": "a"}]}',
        ]
    ),
)
plain_lines = st.lists(rows.map(json.dumps), min_size=1, max_size=5)


def outcome(reader: Reader, block: JsonLines) -> Any:
    try:
        part = reader.read((10, block))
    except DatasetRejected as error:
        return str(error)
    return part.num_rows, part.columns, part.rejected, part.table.to_pylist()


@settings(deadline=None)
@given(plain_lines | st.lists(lines, min_size=1, max_size=5))
def test_a_block_is_the_same_by_the_column_and_row_by_row(written: list[str]) -> None:
    block = JsonLines("a.jsonl", 7, len(written), "\n".join(written).encode())
    plain = plain_chats("sharegpt", {}, rows=iter(enumerate(SAMPLE)))
    assert plain
    by_row = Reader("sharegpt", {}, dict)
    by_column = Reader("sharegpt", {}, dict, plain)
    assert outcome(by_column, block) == outcome(by_row, block)


def test_plain_blocks_are_read_by_the_column() -> None:
    asked, answered = {"from": "human", "value": "a"}, {"from": "gpt", "value": "é"}
    line = json.dumps({"conversations": [asked, answered], "id": 3})
    plain = plain_chats("sharegpt", {}, rows=iter([(1, json.loads(line))]))
    assert plain
    part = plain.read(JsonLines("a.jsonl", 1, 2, f"{line}\n{line}".encode()), offset=5)
    assert part
    assert (part.num_rows, part.table["row"].to_pylist()) == (2, [6, 7])


def test_a_renamed_column_of_turns_is_read_by_the_column() -> None:
    row = {"chat": [{"role": "assistant", "content": "a"}]}
    mapping = {"messages": "chat"}
    plain = plain_chats("messages", mapping, rows=iter([(1, row)]))
    assert plain
    block = JsonLines("a.jsonl", 1, 1, json.dumps(row).encode())
    part = plain.read(block, offset=0)
    assert part
    by_row = Reader("messages", mapping, lambda row: rename(row, mapping)).read((0, block))
    assert part.table.equals(by_row.table)
    assert part.columns == by_row.columns == {"chat"}


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("alpaca", {"instruction": "a", "output": "b"}),
        ("messages", {**MESSAGES[0], "tools": "[]"}),
        ("messages", {**MESSAGES[0], "score": 0.5}),
        ("messages", {**MESSAGES[0], "flag": True}),
        ("messages", {**MESSAGES[0], "nothing": None}),
    ],
)
def test_other_files_are_read_row_by_row(format: str, row: Row) -> None:
    assert plain_chats(format, {}, rows=iter([(1, row)])) is None


def test_one_odd_row_among_thousands_changes_nothing_but_itself(tmp_path: Path) -> None:
    turn = {"role": "assistant", "content": "word " * 200}
    written = [{"messages": [turn]} for _ in range(9000)]  # some blocks of 4 MB
    written[5000] = {"messages": [turn, {"role": "tool", "content": None}]}
    written[5001] = {"messages": []}
    source = tmp_path / "a.jsonl"
    source.write_text("\n".join(map(json.dumps, written)))
    version = import_dataset(source, into=tmp_path / "versions", max_rejected_percent=1)
    assert (version.stats.num_rows, version.stats.num_rejected) == (9000, 1)
    numbers = [row for row, _ in read_examples(version)]
    assert numbers == [row for row in range(1, 9001) if row != 5002]
    as_list = tmp_path / "a.json"  # read row by row throughout
    as_list.write_text(json.dumps(written))
    again = import_dataset(as_list, into=tmp_path / "versions", max_rejected_percent=1)
    assert (again.id, again.existed) == (version.id, True)
    assert again.stats.roles == version.stats.roles
