"""Answers in the shapes that OpenAI's clients read. Torch-free."""

from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, SerializerFunctionWrapHandler, model_serializer

from tunesmith.serving.protocol import Finish
from tunesmith.serving.tools import CalledFunction, ToolCall

ChatFinish: TypeAlias = Finish | Literal["tool_calls"]
"""Why a chat's answer ended; `tool_calls`: the tools that it called are to answer."""


class Usage(BaseModel):
    """Tokens that a request took."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, completion_tokens: int) -> "Usage":
        """With their sum."""
        return cls(
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
            total_tokens=prompt_tokens + completion_tokens,
        )


class TopLogprob(BaseModel):
    """A token and its natural log probability; `bytes` where its text is whole characters."""

    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob):
    """A chosen token, and the likeliest at its place."""

    top_logprobs: list[TopLogprob]


class ChatLogprobs(BaseModel):
    """Scores of the tokens of a chat's answer."""

    content: list[TokenLogprob]
    refusal: None = None


class CompletionLogprobs(BaseModel):
    """Scores of the tokens of a completion; offsets count characters of its text."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]]
    text_offset: list[int]


# --- whole answers ---------------------------------------------------------------------------


class AnswerMessage(BaseModel):
    """What a model says; `content` is null where it only calls tools."""

    role: Literal["assistant"] = "assistant"
    content: str | None
    refusal: None = None
    tool_calls: list[ToolCall] | None = None


class ChatChoice(BaseModel):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: ChatFinish
    logprobs: ChatLogprobs | None = None


class ChatCompletion(BaseModel):
    """The answers to a chat."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage


class CompletionChoice(BaseModel):
    """One text, or the next piece of one in a stream."""

    index: int
    text: str
    finish_reason: Finish | None
    logprobs: CompletionLogprobs | None = None


class Completion(BaseModel):
    """Texts that go on from prompts, or a piece of one in a stream."""

    id: str
    object: Literal["text_completion"] = "text_completion"
    created: int
    model: str
    choices: list[CompletionChoice]
    usage: Usage | None = None


# --- streams ---------------------------------------------------------------------------------


class ToolCallDelta(BaseModel):
    """A call, which comes whole; `index` counts those of its answer."""

    index: int
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Delta(BaseModel):
    """What an answer goes on with."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    tool_calls: list[ToolCallDelta] | None = None

    @model_serializer(mode="wrap")
    def _said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in dump(self).items() if value is not None}


class ChunkChoice(BaseModel):
    """The next piece of one answer."""

    index: int
    delta: Delta
    finish_reason: ChatFinish | None = None
    logprobs: ChatLogprobs | None = None


class ChatChunk(BaseModel):
    """A piece of a chat's answers; the last one may count tokens instead."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


# --- embeddings and models -------------------------------------------------------------------


class Embedding(BaseModel):
    """The vector of one text, as numbers or as base64 of float32, lowest byte first."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class TruncatedInput(BaseModel):
    """A text that was longer than the model reads: its vector is that of its beginning."""

    index: int
    num_tokens_given: int
    num_tokens_read: int


class Embeddings(BaseModel):
    """Vectors in the order of their texts; `truncated` is ours, OpenAI refuses such texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage
    truncated: list[TruncatedInput] = []


class ServedModel(BaseModel):
    """A name that answers; `parent` is the base of an adapter."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str = "tunesmith"
    parent: str | None = None


class ServedModels(BaseModel):
    """All names that answer."""

    object: Literal["list"] = "list"
    data: list[ServedModel]
