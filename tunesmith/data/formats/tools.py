"""Definitions and calls of tools, in the one form that chat templates read: OpenAI's.

A source may have JSON text where an object is meant, a bare function where OpenAI wraps it, or the
arguments of a call as text, as OpenAI's API gives them. All become the same JSON text, whose keys
keep the order they came in, since a model learns it.
"""

import json
from typing import Any

from tunesmith.data.formats import fields
from tunesmith.data.formats.fields import RowRejected
from tunesmith.data.sources import Row
from tunesmith.text.conversation import to_json_text


def read_tools(value: Any, field: str) -> str:
    """The tools that a conversation may call, as JSON text; nothing where there are none.

    Raises:
        RowRejected: `value` is neither a list of functions nor JSON text of one.
    """
    if value is None or value in ("", []):
        return ""
    tools = fields.items(_parsed(value, field), field)
    return _json_text([_definition(tool, f"{field}[{i}]") for i, tool in enumerate(tools)], field)


def read_calls(value: Any, field: str) -> str:
    """Calls of tools in OpenAI's form, as JSON text; nothing where there are none.

    Raises:
        RowRejected: `value` is no list of calls.
    """
    if value is None or value == []:
        return ""
    calls = fields.items(value, field)
    return _json_text([_call(call, f"{field}[{i}]") for i, call in enumerate(calls)], field)


def read_function_call(value: Any, field: str) -> str:
    """The text of a ShareGPT turn of `function_call`, one call or a list of them, as `read_calls`.

    Raises:
        RowRejected: it is no JSON text of an object with `name` and `arguments`.
    """
    parsed = _parsed(fields.text(value, field), field)
    calls = fields.items(parsed, field) if isinstance(parsed, list) else [parsed]
    return _json_text([_call({"function": call}, field) for call in calls], field)


def _definition(value: Any, field: str) -> Row:
    tool = fields.fields(_parsed(value, field), field)
    if "function" not in tool:  # a bare function
        tool = {"type": "function", "function": tool}
    function = fields.fields(tool["function"], f"{field}.function")
    fields.text(function.get("name"), f"{field}.function.name")
    return tool


def _call(value: Any, field: str) -> Row:
    call = fields.fields(value, field)
    fields.refuse_other_keys(call, field, known={"id", "type", "function", "index"})
    function = fields.fields(call.get("function"), f"{field}.function")
    fields.refuse_other_keys(function, f"{field}.function", known={"name", "arguments"})
    arguments_field = f"{field}.function.arguments"
    arguments = _parsed(function.get("arguments") or "{}", arguments_field)
    call_id = fields.optional_text(call.get("id"), f"{field}.id")
    return {
        **({"id": call_id} if call_id else {}),
        "type": "function",
        "function": {
            "name": fields.text(function.get("name"), f"{field}.function.name"),
            "arguments": fields.fields(arguments, arguments_field),
        },
    }


def _parsed(value: Any, field: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise RowRejected(field, "is a text that is not valid JSON") from error


def _json_text(value: Any, field: str) -> str:
    try:
        text = to_json_text(value)
    except (ValueError, RecursionError, TypeError) as error:
        raise RowRejected(field, "cannot be written as JSON") from error
    fields.refuse_surrogates(text, field)
    return text
