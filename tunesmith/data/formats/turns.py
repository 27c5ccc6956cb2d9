"""Lists of messages, as OpenAI and as ShareGPT write them."""

from collections.abc import Mapping
from typing import Any

from tunesmith.data.formats import fields, tools
from tunesmith.data.formats.fields import RowRejected
from tunesmith.data.sources import Row
from tunesmith.text.conversation import Message, Role

OPENAI_ROLES: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
SHAREGPT_ROLES: Mapping[str, Role] = {
    **OPENAI_ROLES,
    "human": "user",
    "gpt": "assistant",
    "function_call": "assistant",
    "observation": "tool",
}

_OPENAI_KEYS = {"role", "content", "tool_calls", "tool_call_id", "name"}
_SHAREGPT_KEYS = {"from", "value"}


def read_turns(value: Any, field: str) -> tuple[Message, ...]:
    """Messages in order, of either kind; what order of roles makes sense the chat template knows.

    Raises:
        RowRejected: a turn is not one.
    """
    messages: list[Message] = []
    for index, turn in enumerate(fields.items(value, field)):
        try:
            turn = fields.fields(turn, "")
            messages.append(_sharegpt(turn) if "from" in turn else _openai(turn))
        except RowRejected as error:
            raise error.inside(f"{field}[{index}]") from error
    return tuple(messages)


def read_conversation(value: Any, field: str) -> tuple[Message, ...]:
    """As `read_turns`, with at least one answer.

    Raises:
        RowRejected: a turn is not one, or there is no answer.
    """
    messages = read_turns(value, field)
    if not any(message.role == "assistant" for message in messages):
        raise RowRejected(field, "has no assistant message, so there is nothing to learn")
    return messages


def _openai(turn: Row) -> Message:
    fields.refuse_other_keys(turn, "", known=_OPENAI_KEYS)
    role: Role = fields.member(turn.get("role"), "role", OPENAI_ROLES)
    calls = tools.read_calls(turn.get("tool_calls"), "tool_calls")
    if calls and role != "assistant":
        raise RowRejected("tool_calls", f"is in a message of {role}, not of assistant")
    # A tool may return nothing, and calls need no words beside them.
    read = fields.optional_text if role == "tool" or calls else fields.text
    return Message(
        role=role,
        content=read(turn.get("content"), "content"),
        tool_calls=calls,
        tool_call_id=fields.optional_text(turn.get("tool_call_id"), "tool_call_id"),
        name=fields.optional_text(turn.get("name"), "name"),
    )


def _sharegpt(turn: Row) -> Message:
    fields.refuse_other_keys(turn, "", known=_SHAREGPT_KEYS)
    role: Role = fields.member(turn["from"], "from", SHAREGPT_ROLES)
    if turn["from"] == "function_call":
        calls = tools.read_function_call(turn.get("value"), "value")
        return Message(role, "", tool_calls=calls)
    read = fields.optional_text if role == "tool" else fields.text
    return Message(role, read(turn.get("value"), "value"))
