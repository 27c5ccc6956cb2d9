"""Calls of tools are found in what families of models write, however the text arrives."""

import json
from collections.abc import Iterator

import pytest

from tests.text.families import template_of
from tunesmith.serving.tool_calls import Call, CallReader, Said, format_of

ADD, LOOK = Call("add", '{"a": 2, "b": 3}'), Call("look_up", '{"what": "café \\"}"}')
ADD_JSON, LOOK_JSON = '{"a": 2, "b": 3}', '{"what": "café \\"}"}'

WRITTEN = [
    (
        "qwen2_5",
        f'Let me see.\n<tool_call>\n{{"name": "add", "arguments": {ADD_JSON}}}\n</tool_call>'
        f'\n<tool_call>\n{{"name": "look_up", "arguments": {LOOK_JSON}}}\n</tool_call>\n',
        "Let me see.",
        [ADD, LOOK],
    ),
    (
        "qwen3",
        f'<tool_call>{{"name": "add", "arguments": {ADD_JSON}}}</tool_call> Then more. ',
        " Then more.",
        [ADD],
    ),
    ("qwen3", f'<tool_call>\n{{"name": "add", "arguments": {ADD_JSON}}}', "", [ADD]),  # unclosed
    ("llama3", f'{{"name": "add", "parameters": {ADD_JSON}}}', "", [ADD]),
    (
        "llama3",
        f'\n<|python_tag|>{{"name": "add", "parameters": {ADD_JSON}}}; '
        f'{{"type": "function", "name": "look_up", "parameters": {LOOK_JSON}}}',
        "",
        [ADD, LOOK],
    ),
    (
        "mistral",
        f'Sure. [TOOL_CALLS] [{{"name": "add", "arguments": {ADD_JSON}, "id": "abcdefghi"}}, '
        f'{{"name": "look_up", "arguments": {LOOK_JSON}}}]',
        "Sure.",
        [ADD, LOOK],
    ),
    (
        "mistral",
        f"[TOOL_CALLS]add[ARGS]{ADD_JSON}[TOOL_CALLS]look_up[ARGS]{LOOK_JSON}",
        "",
        [ADD, LOOK],
    ),
    ("glm4", f"add\n{ADD_JSON}", "", [ADD]),
    ("smollm2", f'<tool_call>{{"name": "add", "arguments": {ADD_JSON}}}</tool_call>', "", [ADD]),
]
TEXTS = [
    ("qwen3", "a < b, <tool> and <tool_call"),
    ("qwen3", '<tool_call>{"name": "unknown", "arguments": {}}</tool_call>\n'),
    ("qwen3", '<tool_call>{"name": "add", "arguments": {"a": NaN}}</tool_call>'),
    ("qwen3", "<tool_call><function=add><parameter=a>2</parameter></function></tool_call>"),
    ("qwen3", '<tool_call>{"name": "add", "arguments": [2]}</tool_call> and on'),
    ("qwen3", "<tool_call>" + "[" * 100_000),
    ("llama3", '{"name": "Ann", "parameters": {"age": 7}}'),
    ("llama3", 'As JSON: {"name": "add", "parameters": {}}'),
    ("llama3", "  {}"),
    ("mistral", "[TOOL_CALLS] [1, 2]"),
    ("mistral", "[TOOL_CALLS] add 2 and 3"),
    ("glm4", "add\n2 and 3"),
    ("glm4", "add them up"),
]


def _read(family: str, pieces: Iterator[str]) -> Said:
    """Everything that is said, put together; the last piece is followed by an empty one."""
    reader = CallReader(format_of(template_of(family)), ["add", "look_up"])
    parts = [reader.push(piece, is_last=False) for piece in pieces]
    parts.append(reader.push("", is_last=True))
    calls = tuple(call for part in parts for call in part.calls)
    assert reader.num_calls == len(calls)
    return Said("".join(part.text for part in parts), calls)


def _cuts(text: str) -> Iterator[Iterator[str]]:
    """The text at once, character by character, and cut in two at every place."""
    yield iter([text])
    if len(text) < 1000:
        yield iter(text)
        yield from (iter([text[:at], text[at:]]) for at in range(len(text)))


@pytest.mark.parametrize(("family", "written", "text", "calls"), WRITTEN)
def test_calls_are_found(family: str, written: str, text: str, calls: list[Call]) -> None:
    for pieces in _cuts(written):
        assert _read(family, pieces) == Said(text, tuple(calls))
    for call in calls:
        assert isinstance(json.loads(call.arguments), dict)


@pytest.mark.parametrize(("family", "written"), TEXTS)
def test_what_is_no_call_stays_text(family: str, written: str) -> None:
    for pieces in _cuts(written):
        assert _read(family, pieces) == Said(written)


def test_text_is_passed_on_as_soon_as_it_is_certain() -> None:
    reader = CallReader(format_of(template_of("qwen3")), ["add"])
    assert reader.push("It is ", is_last=False) == Said("It is")
    assert reader.push("5.\n<tool", is_last=False) == Said(" 5.")
    call = f'_call>{{"name": "add", "arguments": {ADD_JSON}}}</tool_call>'
    assert reader.push(call, is_last=False) == Said("", (ADD,))
