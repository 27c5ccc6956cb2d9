"""The official client hears calls of tools from models that write them as their families do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.api.engines import SECRET, Engines
from tests.serving.taught import make_taught_model
from tunesmith.serving.config import EngineConfig
from tunesmith.text.conversation import Message, to_json_text

pytestmark = pytest.mark.timeout(180)

QUESTION = {"role": "user", "content": "2 + 3?"}
PARAMETERS = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/digit"}, "b": {"$ref": "#/$defs/digit"}},
    "required": ["a", "b"],
    "additionalProperties": False,
    "$defs": {"digit": {"type": "integer", "minimum": 0, "maximum": 9}},
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "add", "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}},
]
ANSWERS: Mapping[str, str] = {
    "qwen2_5": 'I add.\n<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 3}}\n</tool_call>'
    '\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    "llama3": '{"name": "add", "parameters": {"a": 2, "b": 3}}',
    "mistral": '[TOOL_CALLS] [{"name": "add", "arguments": {"a": 2, "b": 3}}]',
}


@dataclass(frozen=True)
class Taught:
    """A family's model that answers `QUESTION` by calls, and the client that asks it."""

    family: str
    client: OpenAI

    def ask(self, *messages: Any, **more: Any) -> Any:
        return self.client.chat.completions.create(
            model=self.family,
            messages=messages or [QUESTION],
            **{"tools": TOOLS, "temperature": 0, "max_tokens": 200, **more},
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@pytest.fixture(scope="module", params=ANSWERS)
def taught(folder: Path, request: pytest.FixtureRequest) -> Any:
    family: str = request.param
    model = make_taught_model(
        folder / family,
        family,
        [Message("user", QUESTION["content"])],
        tools=to_json_text(TOOLS),
        answer=ANSWERS[family],
    )
    engines = Engines(EngineConfig(precision="fp32", kv_tokens=8192, prefix_tokens=0))
    with OpenAI(base_url=f"{engines.address(model)}/v1", api_key=SECRET) as client:
        yield Taught(family, client)


def _called(message: Any) -> list[tuple[str, Any]]:
    assert len({call.id for call in message.tool_calls}) == len(message.tool_calls)
    assert {call.type for call in message.tool_calls} == {"function"}
    return [
        (call.function.name, json.loads(call.function.arguments)) for call in message.tool_calls
    ]


def test_calls_come_whole_and_streamed_alike(taught: Taught) -> None:
    expected = [("add", {"a": 2, "b": 3}), ("now", {})][: 2 if taught.family == "qwen2_5" else 1]
    said = "I add." if taught.family == "qwen2_5" else None
    [choice] = taught.ask().choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == said
    assert _called(choice.message) == expected

    # The client puts the pieces of a stream together by their indices.
    with taught.client.chat.completions.stream(
        model=taught.family, messages=[QUESTION], tools=TOOLS, temperature=0, max_tokens=200
    ) as stream:
        [streamed] = stream.get_final_completion().choices
    assert streamed.finish_reason == "tool_calls"
    assert (streamed.message.content or None) == said
    assert _called(streamed.message) == expected


def test_a_call_and_its_result_can_be_sent_back(taught: Taught) -> None:
    message = taught.ask().choices[0].message
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": "5"} for call in message.tool_calls
    ]
    answer = taught.ask(QUESTION, message, *results, max_tokens=3)
    assert answer.usage.completion_tokens <= 3


def test_without_tools_or_with_none_calls_are_text(taught: Taught) -> None:
    for more in ({"tool_choice": "none"}, {"tools": openai.omit}):
        [choice] = taught.ask(max_tokens=8, **more).choices
        assert choice.message.tool_calls is None
        assert choice.finish_reason in ("stop", "length")


def test_a_call_can_be_required(taught: Taught) -> None:
    """Whatever the model would write, here at random."""
    warm = {"temperature": 1.5, "seed": 3}
    named = {"type": "function", "function": {"name": "add"}}
    for choice in taught.ask(tool_choice=named, n=4, **warm).choices:
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        [(name, arguments)] = _called(choice.message)
        assert name == "add"
        assert arguments.keys() == {"a", "b"}
        assert all(0 <= digit <= 9 for digit in arguments.values())
    [required] = taught.ask(tool_choice="required", max_tokens=1024, **warm).choices
    if required.finish_reason == "tool_calls":  # arguments of `now` may be any, and long
        assert _called(required.message)[0][0] in ("add", "now")

    absent = {"type": "function", "function": {"name": "subtract"}}
    as_json = {"type": "json_object"}
    for refused, match in (
        ({"tool_choice": absent}, "does not bring"),
        ({"tool_choice": "required", "tools": openai.omit}, "does not bring"),
        ({"tool_choice": "required", "response_format": as_json}, "leave one of the two out"),
    ):
        with pytest.raises(openai.BadRequestError, match=match):
            taught.ask(**refused)
