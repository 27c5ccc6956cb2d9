"""JSON and JSON Lines: broken syntax, wrong types, what strict JSON does not have."""

import json
from collections.abc import Iterator
from typing import Any

from tests.corpus.case import ROW, ZH_ROW, Case

_GOOD = json.dumps(ROW)


def json_cases() -> Iterator[Case]:
    yield from _truncated()
    yield from _wrong_types()
    yield from _not_strict()
    yield from _nested()
    yield from _syntax()
    yield from _shapes()
    yield from _mixed()


def _truncated() -> Iterator[Case]:
    rows = [ROW, ZH_ROW, ROW]
    as_list = json.dumps(rows, indent=1, ensure_ascii=False).encode()
    for cut in range(1, len(as_list), len(as_list) // 40):
        yield Case(f"truncated-{cut:03}.json", as_list[:cut], place=r"row \d|line \d")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    starts = [0, lines.index(b"\n") + 1, lines.rindex(b"\n", 0, -1) + 1]
    for cut in range(1, len(lines), len(lines) // 40):
        whole = any(lines[cut : cut + 1] == b"\n" or cut == start for start in starts)
        place = r"row \d|line \d"
        yield Case(
            f"truncated-{cut:03}.jsonl", lines[:cut], "either" if whole else "refused", place
        )


_FIELDS: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "a", "input": "b", "output": "c", "system": "d", "history": []},
    "messages": {
        "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    },
    "sharegpt": {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
    "prompt": {"prompt": "a", "completion": "b"},
    "text": {"text": "a"},
}
_WRONG: dict[str, Any] = {
    "null": None,
    "number": 5,
    "true": True,
    "list": [1, None],
    "object": {"a": {}},
    "blank": " \n",
    "lists": [[["a"], "b", None]],
    "half-pair": "\ud83d",
}
_WRONG_TURNS: list[Any] = [
    None,
    5,
    "a",
    [],
    {},
    {"role": "user"},
    {"content": "a"},
    {"role": "king", "content": "a"},
    {"role": "user", "content": "a", "name": 1},
    {"role": ["user"], "content": "a"},
]


def _wrong_types() -> Iterator[Case]:
    """A good row, then one with a wrong value in one field."""
    for shape, good in _FIELDS.items():
        for field in good:
            for kind, value in _WRONG.items():
                content = json.dumps(good) + "\n" + json.dumps(good | {field: value}) + "\n"
                name = f"type-{shape}-{field}-{kind}.jsonl"
                yield Case(name, content.encode(), "either", r"row 2: `")
        missing = [{k: v for k, v in good.items() if k != field} for field in good]
        for index, row in enumerate(missing):
            content = json.dumps([good, row]).encode()
            yield Case(f"missing-{shape}-{index}.json", content, "either", r"row 2: `")
    for index, turn in enumerate(_WRONG_TURNS):
        row = {"messages": [turn, {"role": "assistant", "content": "b"}]}
        content = json.dumps([_FIELDS["messages"], row]).encode()
        yield Case(f"turn-{index}.json", content, "either", r"row 2: `messages")


def _not_strict() -> Iterator[Case]:
    values = {
        "nan": "NaN",
        "infinity": "Infinity",
        "minus-infinity": "-Infinity",
        "overflow": "1e999",
        "minus-overflow": "-1e999",
        "digits": "1" * 5000,
        "long-fraction": "0." + "1" * 100_000,
    }
    for name, value in values.items():
        verdict = "accepted" if name == "long-fraction" else "refused"
        bad = f'{_GOOD[:-1]}, "score": {value}}}'
        yield Case(f"{name}.jsonl", f"{_GOOD}\n{bad}\n".encode(), verdict, "row 2")
        yield Case(f"{name}.json", f"[{_GOOD}, {bad}]".encode(), verdict, "row 2")
    twice = {
        "row": '{"text": "a", "text": "b"}',
        "nested": '{"text": "a", "meta": {"k": 1, "k": 2}}',
        "turn": '{"messages": [{"role": "user", "role": "assistant", "content": "a"}]}',
        "escaped": '{"text": "a", "t\\u0065xt": "b"}',
    }
    for name, row in twice.items():
        yield Case(
            f"twice-{name}.jsonl", f'{{"text": "x"}}\n{row}\n'.encode(), place="row 2.*twice"
        )
        yield Case(f"twice-{name}.json", f'[{{"text": "x"}},{row}]'.encode(), place="row 2.*twice")
    halves = {
        "high": "\\ud83d",
        "low": "\\ude00",
        "reversed": "\\ude00\\ud83d",
        "double": "\\ud83d" * 2,
    }
    for name, half in halves.items():
        yield Case(f"half-{name}.jsonl", f'{{"text": "{half}"}}'.encode(), place="row 1.*`text`")
        yield Case(
            f"half-key-{name}.jsonl", f'{{"text": "a", "{half}": 1}}'.encode(), place="row 1"
        )
    raw = b'{"text": "\xed\xa0\xbd\xed\xb8\x80"}'
    yield Case("half-raw-bytes.jsonl", raw, place="line 1")


def _nested() -> Iterator[Case]:
    deep = 10_000
    values = {
        "lists": "[" * deep + "]" * deep,
        "objects": '{"a":' * deep + "1" + "}" * deep,
        "mixed": '[{"a":' * deep + "1" + "}]" * deep,
        "open-lists": "[" * deep,
        "open-objects": '{"a":' * deep,
    }
    for name, value in values.items():
        row = f'{{"text": "a", "meta": {value}}}'
        yield Case(f"deep-{name}.jsonl", row.encode(), place="row 1")
        yield Case(f"deep-{name}.json", f"[{row}]".encode(), place="row 1")
        yield Case(f"deep-bare-{name}.json", value.encode(), place="row 1")
    levels = f'{{"text": "a", "meta": {"[" * 900 + "]" * 900}}}'
    yield Case("deep-900.jsonl", levels.encode(), "either", "row 1")
    turns = json.dumps({"messages": [{"role": "assistant", "content": "a"}] * 100_000}).encode()
    yield Case("turns-100000.jsonl", turns, "either", "row 1")
    keys = json.dumps({"text": "a", **{f"k{i}": i for i in range(100_000)}}).encode()
    yield Case("keys-100000.jsonl", keys, "either", "")


def _syntax() -> Iterator[Case]:
    bad = {
        "trailing-comma": '{"text": "b",}',
        "single-quotes": "{'text': 'b'}",
        "python": '{"text": None}',
        "undefined": '{"text": undefined}',
        "comment": '{"text": "b" /* note */}',
        "unquoted-key": '{text: "b"}',
        "tab-in-text": '{"text": "a\tb"}',
        "control": '{"text": "a\x01b"}',
        "escape": '{"text": "\\x41"}',
        "short-escape": '{"text": "\\u12"}',
        "colon": '{"text" "b"}',
        "two-values": '{"text": "a"} {"text": "b"}',
        "brackets": '{"text": ["b"}',
        "leading-zero": '{"text": "b", "n": 01}',
        "plus": '{"text": "b", "n": +1}',
        "hex": '{"text": "b", "n": 0x1}',
        "no-braces": '"text": "b"',
        "html": "<!DOCTYPE html><html></html>",
        "ellipsis": "...",
    }
    for name, row in bad.items():
        yield Case(f"syntax-{name}.jsonl", f'{{"text": "a"}}\n{row}\n'.encode(), place="row 2")
        yield Case(f"syntax-{name}.json", f'[{{"text": "a"}},\n{row}]'.encode(), place="row [23]")


def _shapes() -> Iterator[Case]:
    for name, value in {
        "number": "5",
        "text": '"a"',
        "null": "null",
        "list-of-lists": '[["a"]]',
        "list-of-texts": '["a", "b"]',
        "list-of-null": "[null]",
        "no-list": '{"a": 1}',
        "two-lists": '{"a": [{"text": "a"}], "b": [{"text": "b"}]}',
        "key-twice": '{"a": 1, "a": [{"text": "a"}]}',
        "rest": '[{"text": "a"}] [{"text": "b"}]',
        "rest-of-object": '{"a": [{"text": "a"}]} x',
        "comma": '{"a": [{"text": "a"}] "b": 1}',
    }.items():
        yield Case(f"shape-{name}.json", value.encode(), place="row 1|row 2")
    for name, value in {"list": "[]", "object": '{"data": []}', "blank": " \n\t\r\n "}.items():
        yield Case(f"empty-{name}.json", value.encode(), place="is empty")
    yield Case(
        "shape-nested-list.json", b'{"v": 1, "data": [{"text": "a"}], "z": {"q": [1]}}', "accepted"
    )
    yield Case("shape-lines.json", b'{"text": "a"}\n{"text": "b"}\n', "accepted")
    yield Case("shape-list.jsonl", b'[{"text": "a"}]\n', place="row 1")
    yield Case("shape-pretty.jsonl", json.dumps(ROW, indent=2).encode(), place="row 1, line 1")


def _mixed() -> Iterator[Case]:
    rows = [ROW, *_FIELDS.values(), {}, {"other": 1}, [], "a", 5, None, True]
    for index, row in enumerate(rows):
        content = f'{{"text": "a"}}\n{json.dumps(row)}\n'.encode()
        yield Case(f"mixed-{index:02}.jsonl", content, "either", "row [12]|the columns")
    yield Case("mixed-all.json", json.dumps(rows).encode(), place="row|columns")
    yield Case("no-format.jsonl", b'{"foo": 1, "bar": 2}\n', place="columns")
    yield Case("blank-keys.jsonl", b'{"": 1, " ": 2, "text": "a"}\n', "accepted")
    yield Case("long-key.jsonl", b'{"' + b"k" * 5_000_000 + b'": 1}\n', place="columns")
