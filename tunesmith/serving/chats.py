"""Chats as OpenAI's clients ask for their next message. Torch-free."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, JsonValue

from tunesmith.errors import RequestRejected
from tunesmith.schema import Strict, setting
from tunesmith.serving.protocol import MAX_TOP_LOGPROBS, Sampling
from tunesmith.serving.requests import Asked
from tunesmith.serving.tool_calls import ANSWER_IS_CALL, CallFormat, CallReader
from tunesmith.serving.tools import ChosenTool, Tool, ToolCall, ToolChoice, call_schema
from tunesmith.text.conversation import Message, Role, to_json_text


class TextPart(Strict):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class ChatMessage(Strict):
    """A turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | Annotated[list[TextPart], Field(max_length=1000)] | None = None
    name: str | None = None
    tool_calls: Annotated[list[ToolCall], Field(max_length=128)] | None = setting(
        None, "what an assistant called"
    )
    tool_call_id: str | None = setting(None, "which call a tool answers")
    refusal: None = None
    reasoning_content: None = setting(None, "not offered")

    def as_message(self) -> Message:
        """The same for a chat template."""
        parts = self.content if isinstance(self.content, list) else []
        text = self.content if isinstance(self.content, str) else "".join(p.text for p in parts)
        role: Role = "system" if self.role == "developer" else self.role
        return Message(
            role,
            text,
            tool_calls=_calls(self.tool_calls or []),
            tool_call_id=self.tool_call_id or "",
            name=self.name or "",
        )


def _calls(calls: list[ToolCall]) -> str:
    """Calls as templates read them: `arguments` as an object."""
    shaped: list[dict[str, Any]] = []
    for call in calls:
        try:
            arguments = json.loads(call.function.arguments)
        except ValueError:
            raise RequestRejected(f"the arguments of the call {call.id!r} are not JSON") from None
        function = {"name": call.function.name, "arguments": arguments}
        shaped.append({"id": call.id, "type": call.type, "function": function})
    return to_json_text(shaped) if shaped else ""


class PlainText(Strict):
    """An answer of any form."""

    type: Literal["text"]


class JsonObject(Strict):
    """An answer that is a JSON object."""

    type: Literal["json_object"]


class NamedSchema(Strict):
    """A JSON schema and what it is called."""

    name: str
    schema_: dict[str, JsonValue] = setting(..., "what the answer obeys", alias="schema")
    description: str | None = None
    strict: bool | None = setting(None, "taken and ignored: schemas always hold")


class JsonBySchema(Strict):
    """An answer that is JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema = setting(..., "the schema")


ResponseFormat: TypeAlias = Annotated[
    PlainText | JsonObject | JsonBySchema, Field(discriminator="type")
]


class ChatRequest(Asked):
    """The next message of a conversation is asked for."""

    messages: list[ChatMessage] = setting(
        ..., "the conversation so far", min_length=1, max_length=10_000
    )
    max_completion_tokens: int | None = setting(None, "longest answer", unit="tokens", ge=1)
    logprobs: bool | None = setting(None, "report the log probability of each token")
    top_logprobs: int | None = setting(
        None, "report this many likeliest tokens for each place", ge=0, le=MAX_TOP_LOGPROBS
    )
    response_format: ResponseFormat | None = setting(None, "text, or JSON by construction")
    tools: Annotated[list[Tool], Field(max_length=128)] | None = setting(
        None, "what the model is told that it can call"
    )
    tool_choice: ToolChoice | None = setting(
        None, "none tells it of no tools; required, or a tool, lets it write nothing but a call"
    )
    parallel_tool_calls: bool | None = setting(None, "taken and ignored")
    metadata: dict[str, str] | None = setting(None, "taken and ignored")
    store: bool | None = setting(None, "taken and ignored")
    service_tier: str | None = setting(None, "taken and ignored")
    safety_identifier: str | None = setting(None, "taken and ignored")
    prompt_cache_key: str | None = setting(None, "taken and ignored")

    def conversation(self) -> list[Message]:
        """The messages as templates read them.

        Raises:
            RequestRejected: the arguments of a call are not JSON.
        """
        return [message.as_message() for message in self.messages]

    def tool_definitions(self) -> str:
        """The tools as JSON text, "" where there are none to tell of."""
        told = self._told_tools()
        return to_json_text([tool.model_dump(exclude_none=True) for tool in told]) if told else ""

    def call_reader(self, style: CallFormat) -> CallReader | None:
        """What finds calls in one answer of a model that writes them in this style."""
        told = self._told_tools()
        if not told:
            return None
        names = [tool.function.name for tool in told]
        return CallReader(ANSWER_IS_CALL if self._is_forced else style, names)

    def _told_tools(self) -> Sequence[Tool]:
        return [] if self.tool_choice == "none" else self.tools or []

    @property
    def _is_forced(self) -> bool:
        return self.tool_choice == "required" or isinstance(self.tool_choice, ChosenTool)

    def _forced_tools(self) -> Sequence[Tool]:
        """Those of which one has to be called."""
        chosen = self.tool_choice
        if not isinstance(chosen, ChosenTool):
            found = self.tools or []
        else:
            found = [t for t in self.tools or [] if t.function.name == chosen.function.name]
        if not found:
            raise RequestRejected(
                "tool_choice asks for a call of a tool that the request does not bring",
                hint="put it into tools",
            )
        return found

    def sampling(self) -> Sampling:
        """How the answer is chosen.

        Raises:
            RequestRejected: two limits are given, likeliest tokens without log probabilities, or
                a call of a tool that is not there, or is to be JSON of another kind at once.
        """
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise RequestRejected(
                "max_tokens and max_completion_tokens mean the same", hint="give one of them"
            )
        if self.top_logprobs is not None and not self.logprobs:
            raise RequestRejected("top_logprobs needs logprobs: true")
        return self.choose(
            max_tokens=self.max_tokens or self.max_completion_tokens,
            top_logprobs=(self.top_logprobs or 0) if self.logprobs else None,
            json_schema=self._json_schema(),
        )

    def _json_schema(self) -> dict[str, Any] | None:
        if self._is_forced:
            if isinstance(self.response_format, JsonObject | JsonBySchema):
                raise RequestRejected(
                    "an answer cannot be a tool call and of response_format",
                    hint="leave one of the two out",
                )
            return call_schema(self._forced_tools())
        match self.response_format:
            case JsonObject():
                return {"type": "object"}
            case JsonBySchema(json_schema=named):
                return named.schema_
            case _:
                return None
