"""What a model learns from: conversations and plain passages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in order; the assistant's are the answers to learn."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Plain text for continued pre-training."""

    text: str


Example: TypeAlias = Conversation | Passage


def with_system_prompt(messages: Sequence[Message], system_prompt: str) -> tuple[Message, ...]:
    """Put `system_prompt` first, unless it is empty or the messages bring a system message."""
    if not system_prompt or any(message.role == "system" for message in messages):
        return tuple(messages)
    return (Message("system", system_prompt), *messages)
