"""Dataset versions as JSON Lines for other tools, in the shapes that `formats` reads."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tunesmith.artifacts import replacing
from tunesmith.data.dataset import DatasetVersion, read_examples
from tunesmith.errors import DatasetRejected
from tunesmith.schema import choose
from tunesmith.text.conversation import (
    Classified,
    Conversation,
    Example,
    Message,
    Passage,
    Preference,
)


class _DoesNotFit(Exception):
    """An example has something that the format cannot say."""


def export_version(
    version: DatasetVersion, into: Path, *, format: str, overwrite: bool = False
) -> int:
    """Write the examples of `version` as JSON Lines; return their number. All or nothing.

    Raises:
        NotFound: there is no such format.
        DatasetRejected: an example does not fit the format; the message names the row.
        Conflict, NotFound: as of `artifacts.replacing`.
    """
    write: Callable[[Example], dict[str, Any]] = choose(EXPORTS, format, what="export format")
    num_written = 0
    with (
        replacing(into, overwrite=overwrite) as temporary,
        temporary.open("w", encoding="utf-8") as file,
    ):
        for row, example in read_examples(version):
            try:
                record = write(example)
            except _DoesNotFit as error:
                raise DatasetRejected(
                    f"row {row} does not fit the format {format}: {error}",
                    hint="messages holds any conversation",
                ) from error
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
            num_written += 1
    return num_written


def as_record(example: Example) -> dict[str, Any]:
    """An example in the shape that says all of it."""
    match example:
        case Conversation():
            return _messages(example)
        case Preference():
            return _preference(example)
        case Classified():
            return _classification(example)
        case Passage():
            return _text(example)


def _messages(example: Example) -> dict[str, Any]:
    if not isinstance(example, Conversation):
        raise _DoesNotFit("it is no conversation")
    return {"messages": _turns(example.messages), **_tools(example.tools)}


def _sharegpt(example: Example) -> dict[str, Any]:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    turns = [{"from": names[each.role], "value": each.content} for each in _plain_turns(example)]
    return {"conversations": turns}


def _alpaca(example: Example) -> dict[str, Any]:
    """One instruction and output, what came before as `system` and `history`."""
    turns = list(_plain_turns(example))
    record: dict[str, Any] = {}
    if turns[0].role == "system":
        record["system"] = turns.pop(0).content
    roles = [each.role for each in turns]
    if roles != ["user", "assistant"] * (len(turns) // 2):
        raise _DoesNotFit("questions and answers do not take turns")
    pairs = [[turns[at].content, turns[at + 1].content] for at in range(0, len(turns), 2)]
    *history, [instruction, output] = pairs
    return {
        "instruction": instruction,
        "input": "",
        "output": output,
        **record,
        **({"history": history} if history else {}),
    }


def _preference(example: Example) -> dict[str, Any]:
    if not isinstance(example, Preference):
        raise _DoesNotFit("it is no pair of answers")
    sides = {"prompt": example.prompt, "chosen": example.chosen, "rejected": example.rejected}
    return {**{side: _turns(turns) for side, turns in sides.items()}, **_tools(example.tools)}


def _classification(example: Example) -> dict[str, Any]:
    if not isinstance(example, Classified):
        raise _DoesNotFit("it has no label")
    return {"text": example.text, "label": example.label}


def _text(example: Example) -> dict[str, Any]:
    if not isinstance(example, Passage):
        raise _DoesNotFit("it is no plain text")
    return {"text": example.text}


EXPORTS: Mapping[str, Callable[[Example], dict[str, Any]]] = {
    "messages": _messages,
    "sharegpt": _sharegpt,
    "alpaca": _alpaca,
    "preference": _preference,
    "classification": _classification,
    "text": _text,
}


def _plain_turns(example: Example) -> Sequence[Message]:
    """The turns of a conversation without tools."""
    if not isinstance(example, Conversation):
        raise _DoesNotFit("it is no conversation")
    if example.tools or any(each.role == "tool" or each.tool_calls for each in example.messages):
        raise _DoesNotFit("it uses tools")
    return example.messages


def _turns(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [
        {
            "role": each.role,
            "content": each.content,
            **({"tool_calls": json.loads(each.tool_calls)} if each.tool_calls else {}),
            **({"tool_call_id": each.tool_call_id} if each.tool_call_id else {}),
            **({"name": each.name} if each.name else {}),
        }
        for each in messages
    ]


def _tools(tools: str) -> dict[str, Any]:
    return {"tools": json.loads(tools)} if tools else {}
