"""Pieces of an engine -> answers in OpenAI's shapes, whole or as they are written."""

import secrets
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import BaseModel
from tokenizers import Tokenizer

from tunesmith.errors import TunesmithError
from tunesmith.serving.errors import failure_of
from tunesmith.serving.protocol import Finish, Piece, Token
from tunesmith.serving.replies import (
    AnswerMessage,
    ChatChoice,
    ChatChunk,
    ChatCompletion,
    ChatFinish,
    ChatLogprobs,
    ChunkChoice,
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    Delta,
    TokenLogprob,
    ToolCallDelta,
    TopLogprob,
    Usage,
)
from tunesmith.serving.streams import Answers
from tunesmith.serving.tool_calls import CallReader
from tunesmith.serving.tools import CalledFunction, ToolCall

_CALL_ID_SIZE = 9  # Mistral's chat templates take no other
EVENT_STREAM = "text/event-stream"
DONE = "data: [DONE]\n\n"


@dataclass
class Written:
    """What there is of one choice."""

    text: str = ""
    tokens: list[Token] = field(default_factory=list[Token])
    finish: Finish | None = None


class Shape(Protocol):
    """One of OpenAI's two ways to put answers."""

    def whole(self, choices: Sequence[Written], usage: Usage) -> BaseModel:
        """All answers at their end."""
        ...

    def opening(self, num_choices: int) -> list[BaseModel]:
        """What a stream begins with."""
        ...

    def chunk(self, piece: Piece, *, offset: int) -> BaseModel:
        """A piece of a stream, `offset` characters behind the beginning of its choice."""
        ...

    def closing(self, usage: Usage) -> BaseModel:
        """What counts the tokens at the end of a stream."""
        ...


@dataclass(frozen=True)
class _Put:
    """What every object of one answer bears."""

    model: str
    tokenizer: Tokenizer
    scores: bool
    id: str
    created: int = field(default_factory=lambda: int(time.time()))

    def text_of(self, token_id: int) -> str:
        """The text of a token by itself, special ones included."""
        return self.tokenizer.decode([token_id], skip_special_tokens=False)


@dataclass(frozen=True)
class ChatShape(_Put):
    """Chats. `new_reader` makes what finds calls of tools in one answer, None if there are none."""

    new_reader: Callable[[], CallReader | None] = lambda: None
    _readers: dict[int, CallReader | None] = field(default_factory=dict[int, CallReader | None])

    def whole(self, choices: Sequence[Written], usage: Usage) -> ChatCompletion:
        """All answers at their end."""
        return ChatCompletion(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=[self._choice(index, choice) for index, choice in enumerate(choices)],
            usage=usage,
        )

    def _choice(self, index: int, choice: Written) -> ChatChoice:
        said, calls = self._read(index, choice.text, is_last=True)
        message = AnswerMessage(content=said or None if calls else said)
        if calls:
            message.tool_calls = [ToolCall(**call.model_dump(exclude={"index"})) for call in calls]
        return ChatChoice(
            index=index,
            message=message,
            finish_reason=self._finish(index, choice.finish) or "stop",
            logprobs=self._logprobs(choice.tokens),
        )

    def opening(self, num_choices: int) -> list[BaseModel]:
        """What a stream begins with."""
        role = Delta(role="assistant", content="")
        return [self._chunk(ChunkChoice(index=index, delta=role)) for index in range(num_choices)]

    def chunk(self, piece: Piece, *, offset: int) -> ChatChunk:
        """A piece of a stream."""
        is_last = piece.finish is not None
        said, calls = self._read(piece.choice, piece.text, is_last=is_last)
        return self._chunk(
            ChunkChoice(
                index=piece.choice,
                delta=Delta(content=said or None if calls else said, tool_calls=calls or None),
                finish_reason=self._finish(piece.choice, piece.finish),
                logprobs=self._logprobs([piece.token]),
            )
        )

    def _read(self, choice: int, text: str, *, is_last: bool) -> tuple[str, list[ToolCallDelta]]:
        """What a choice goes on with: text, and the calls that are whole with it."""
        if choice not in self._readers:
            self._readers[choice] = self.new_reader()
        reader = self._readers[choice]
        if reader is None:
            return text, []
        first = reader.num_calls
        said = reader.push(text, is_last=is_last)
        calls = [
            ToolCallDelta(
                index=first + index,
                id=secrets.token_hex(5)[:_CALL_ID_SIZE],
                function=CalledFunction(name=call.name, arguments=call.arguments),
            )
            for index, call in enumerate(said.calls)
        ]
        return said.text, calls

    def _finish(self, choice: int, finish: Finish | None) -> ChatFinish | None:
        reader = self._readers[choice]
        called = reader is not None and reader.num_calls > 0
        return "tool_calls" if called and finish == "stop" else finish

    def closing(self, usage: Usage) -> ChatChunk:
        """What counts the tokens at the end of a stream."""
        return self._chunk(usage=usage)

    def _chunk(self, *choices: ChunkChoice, usage: Usage | None = None) -> ChatChunk:
        return ChatChunk(
            id=self.id,
            created=self.created,
            model=self.model,
            choices=list(choices),
            usage=usage,
        )

    def _logprobs(self, tokens: Sequence[Token]) -> ChatLogprobs | None:
        if not self.scores:
            return None
        return ChatLogprobs(
            content=[
                TokenLogprob(
                    **self._scored(token.id, token.logprob or 0.0).model_dump(),
                    top_logprobs=[self._scored(id, score) for id, score in token.top],
                )
                for token in tokens
            ]
        )

    def _scored(self, token_id: int, logprob: float) -> TopLogprob:
        text = self.text_of(token_id)
        whole = "\ufffd" not in text  # else the token is a part of a character
        return TopLogprob(token=text, logprob=logprob, bytes=list(text.encode()) if whole else None)


class CompletionShape(_Put):
    """Plain text that goes on."""

    def whole(self, choices: Sequence[Written], usage: Usage) -> Completion:
        """All texts at their end."""
        put = [
            self._choice(index, choice.text, choice.tokens, choice.finish)
            for index, choice in enumerate(choices)
        ]
        return self._completion(put, usage)

    def opening(self, num_choices: int) -> list[BaseModel]:
        """A stream begins with its first piece."""
        return []

    def chunk(self, piece: Piece, *, offset: int) -> Completion:
        """A piece of a stream."""
        put = self._choice(piece.choice, piece.text, [piece.token], piece.finish, offset=offset)
        return self._completion([put], None)

    def closing(self, usage: Usage) -> Completion:
        """What counts the tokens at the end of a stream."""
        return self._completion([], usage)

    def _completion(self, choices: list[CompletionChoice], usage: Usage | None) -> Completion:
        return Completion(
            id=self.id, created=self.created, model=self.model, choices=choices, usage=usage
        )

    def _choice(
        self,
        index: int,
        text: str,
        tokens: Sequence[Token],
        finish: Finish | None,
        *,
        offset: int = 0,
    ) -> CompletionChoice:
        logprobs = self._logprobs(tokens, offset=offset) if self.scores else None
        return CompletionChoice(index=index, text=text, finish_reason=finish, logprobs=logprobs)

    def _logprobs(self, tokens: Sequence[Token], *, offset: int) -> CompletionLogprobs:
        texts = [self.text_of(token.id) for token in tokens]
        starts = [offset + sum(map(len, texts[:index])) for index in range(len(texts))]
        return CompletionLogprobs(
            tokens=texts,
            token_logprobs=[token.logprob or 0.0 for token in tokens],
            top_logprobs=[{self.text_of(id): score for id, score in each.top} for each in tokens],
            text_offset=starts,
        )


@dataclass(frozen=True)
class Count:
    """How large a request is: answers to write, and tokens of its prompts."""

    choices: int
    prompt_tokens: int


async def whole_answer(answers: Answers, shape: Shape, count: Count) -> BaseModel:
    """All choices at their end."""
    choices = [Written() for _ in range(count.choices)]
    async with aclosing(answers):
        async for piece in answers:
            choice = choices[piece.choice]
            choice.text += piece.text
            choice.tokens.append(piece.token)
            choice.finish = piece.finish
    num_written = sum(len(choice.tokens) for choice in choices)
    return shape.whole(choices, Usage.of(count.prompt_tokens, num_written))


async def streamed_answer(
    answers: Answers, shape: Shape, count: Count, *, counts_tokens: bool
) -> AsyncGenerator[str]:
    """Choices as they are written, as server-sent events; with `counts_tokens` the usage last."""
    num_written, offsets = 0, [0] * count.choices
    async with aclosing(answers):
        try:
            for chunk in shape.opening(count.choices):
                yield event_of(chunk)
            async for piece in answers:
                yield event_of(shape.chunk(piece, offset=offsets[piece.choice]))
                offsets[piece.choice] += len(piece.text)
                num_written += 1
        except TunesmithError as error:  # the answer has begun: its stream is the place to say so
            yield event_of(failure_of(error)[1])
            return
    if counts_tokens:
        yield event_of(shape.closing(Usage.of(count.prompt_tokens, num_written)))
    yield DONE


def event_of(value: BaseModel) -> str:
    """A server-sent event."""
    return f"data: {value.model_dump_json()}\n\n"
