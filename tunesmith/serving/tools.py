"""Tools that a model is told of, and its calls of them, in OpenAI's shapes. Torch-free."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, JsonValue

from tunesmith.schema import Strict, setting

ToolName = Annotated[str, Field(min_length=1, max_length=200)]


class Function(Strict):
    """A function that a model may call."""

    name: ToolName
    description: str | None = None
    parameters: dict[str, JsonValue] | None = setting(None, "a JSON schema")
    strict: bool | None = setting(None, "taken and ignored")


class Tool(Strict):
    """A tool that a model is told of."""

    type: Literal["function"]
    function: Function = setting(..., "what can be called")


class ChosenFunction(Strict):
    """The function that is to be called."""

    name: ToolName


class ChosenTool(Strict):
    """The tool that is to be called."""

    type: Literal["function"]
    function: ChosenFunction = setting(..., "which of the tools")


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | ChosenTool


class CalledFunction(Strict):
    """What a message called; `arguments` is JSON text."""

    name: str
    arguments: str = setting(..., "JSON text")


class ToolCall(Strict):
    """A call of a tool by the assistant."""

    id: str
    type: Literal["function"]
    function: CalledFunction = setting(..., "what is called")


def call_schema(tools: Sequence[Tool]) -> dict[str, Any]:
    """What JSON has to obey to be a call of one of `tools`: `{"name": ..., "arguments": {...}}`."""
    definitions: dict[str, Any] = {}
    calls: list[Any] = []
    for index, tool in enumerate(tools):
        place = f"#/$defs/tool{index}"
        parameters = tool.function.parameters or {"type": "object"}
        definitions[f"tool{index}"] = _moved(parameters, to=place)
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": tool.function.name}, "arguments": {"$ref": place}},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": calls, "$defs": definitions}


def _moved(schema: Any, *, to: str) -> Any:
    """A schema that lies at `to` and no longer at "#": what it refers to in itself moves along."""
    if isinstance(schema, list):
        return [_moved(each, to=to) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: to + value[1:]
        if key == "$ref" and isinstance(value, str) and value.startswith("#")
        else _moved(value, to=to)
        for key, value in schema.items()
    }
