"""What a model learns from: conversations, plain passages, preference pairs, labelled texts.

Calls of tools and definitions of tools are kept as JSON text, in the order of keys they came in:
the order is part of what a model learns, and text keeps the classes hashable.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Every field but the first two is empty where it is absent.

    Attributes:
        role: whose turn it is.
        content: what is said; may be empty beside `tool_calls`.
        tool_calls: JSON list of OpenAI tool calls, `arguments` as an object.
        tool_call_id: which call a tool answers.
        name: of the speaker or tool.
    """

    role: Role
    content: str
    tool_calls: str = ""
    tool_call_id: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order; the assistant's are the answers to learn.

    Attributes:
        messages: the turns.
        tools: JSON list of OpenAI tool definitions, or empty.
    """

    messages: tuple[Message, ...]
    tools: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """Plain text for continued pre-training."""

    text: str


@dataclass(frozen=True, slots=True)
class Preference:
    """Two continuations of `prompt`, of which `chosen` is the better one."""

    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    tools: str = ""


@dataclass(frozen=True, slots=True)
class Classified:
    """A text and the class it belongs to."""

    text: str
    label: str


Example: TypeAlias = Conversation | Passage | Preference | Classified


def with_system_prompt(messages: Sequence[Message], system_prompt: str) -> tuple[Message, ...]:
    """Put `system_prompt` first, unless it is empty or the messages bring a system message."""
    if not system_prompt or any(message.role == "system" for message in messages):
        return tuple(messages)
    return (Message("system", system_prompt), *messages)


def texts_of(example: Example) -> list[tuple[str, str]]:
    """Every text of `example` with whose it is, for counting; tools and calls as their JSON."""
    match example:
        case Conversation(messages, tools):
            return [*_tools_text(tools), *_texts(messages)]
        case Passage(text):
            return [("text", text)]
        case Classified(text, label):
            return [("text", text), ("label", label)]
        case Preference(prompt, chosen, rejected, tools):
            return [
                *_tools_text(tools),
                *_texts(prompt),
                *(("chosen", text) for _, text in _texts(chosen)),
                *(("rejected", text) for _, text in _texts(rejected)),
            ]


def to_json_text(value: Any) -> str:
    """Compact JSON in the order of keys that `value` has.

    Raises:
        ValueError: a number is not finite.
    """
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _tools_text(tools: str) -> list[tuple[str, str]]:
    return [("tools", tools)] if tools else []


def _texts(messages: Iterable[Message]) -> list[tuple[str, str]]:
    return [
        (message.role, text)
        for message in messages
        for text in (
            (message.content, message.tool_calls) if message.tool_calls else (message.content,)
        )
    ]
