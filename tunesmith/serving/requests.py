"""What OpenAI's clients ask of a model, and what it means to an engine. Torch-free.

Chats are in `chats`. Fields that OpenAI has and that change nothing here are taken and ignored;
what would change an answer and is not offered is refused, and so is a misspelt key.
"""

import secrets
from typing import Annotated, Any, Literal

from pydantic import Field

from tunesmith.schema import Strict, setting
from tunesmith.serving.protocol import MAX_TOP_LOGPROBS, Sampling

OWNER_HEADER = "x-tunesmith-owner"
"""Who asks, said by the service in front: owners take turns and share no beginnings of prompts."""

MAX_CHOICES = 16
MAX_STOPS = 16
MAX_INPUTS = 2048  # texts of one request for embeddings, as OpenAI allows

ModelName = Annotated[str, Field(min_length=1, max_length=300)]
Zero = Annotated[float, Field(ge=0, le=0)]
StopText = Annotated[str, Field(min_length=1, max_length=200)]
TokenId = Annotated[int, Field(ge=0)]


class StreamOptions(Strict):
    """What a stream carries beside the answer."""

    include_usage: bool = setting(False, "end with a chunk that counts tokens")
    include_obfuscation: bool = setting(False, "taken and ignored")


class Asked(Strict):
    """What chats and completions have in common."""

    model: ModelName
    max_tokens: int | None = setting(None, "longest answer", unit="tokens", ge=1)
    temperature: float | None = setting(None, "0 always takes the likeliest token", ge=0, le=2)
    top_p: float | None = setting(
        None, "choose among the likeliest tokens of this total probability", gt=0, le=1
    )
    n: int | None = setting(None, "answers to the same prompt", ge=1, le=MAX_CHOICES)
    seed: int | None = setting(None, "origin of the random choice", ge=-(2**63), lt=2**63)
    stop: StopText | Annotated[list[StopText], Field(max_length=MAX_STOPS)] | None = setting(
        None, "texts that end the answer; they are not part of it"
    )
    stream: bool | None = setting(None, "send the answer as it is written")
    stream_options: StreamOptions | None = setting(None, "what a stream carries beside it")
    # Only what changes nothing.
    frequency_penalty: Zero | None = setting(None, "not offered: 0 only")
    presence_penalty: Zero | None = setting(None, "not offered: 0 only")
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = setting(
        None, "not offered: empty only"
    )
    user: str | None = setting(None, "taken and ignored", max_length=1000)

    @property
    def streams(self) -> bool:
        """Whether the answer is sent as it is written."""
        return self.stream is True

    @property
    def counts_tokens(self) -> bool:
        """Whether a stream ends with its usage."""
        return self.stream_options is not None and self.stream_options.include_usage

    def choose(self, **more: Any) -> Sampling:
        """How an answer is chosen; `more` are what a kind of request has beside."""
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        return Sampling(
            max_tokens=more.pop("max_tokens", self.max_tokens),
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=1.0 if self.top_p is None else self.top_p,
            seed=secrets.randbits(63) if self.seed is None else self.seed % 2**63,
            stop=tuple(stops),
            num_choices=self.n or 1,
            **more,
        )


# --- completions and embeddings --------------------------------------------------------------


class CompletionRequest(Asked):
    """Plain text is to be gone on with."""

    prompt: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=128)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[list[TokenId]], Field(min_length=1, max_length=128)]
    ) = setting(..., "texts, or their tokens")
    logprobs: int | None = setting(
        None, "report each token's log probability and so many likeliest", ge=0, le=MAX_TOP_LOGPROBS
    )
    best_of: Annotated[int, Field(ge=1, le=1)] | None = setting(None, "not offered: 1 only")
    echo: Literal[False] | None = setting(None, "not offered: false only")
    suffix: None = setting(None, "not offered")

    def prompts(self) -> list[str | list[int]]:
        """The prompts one by one, as text or as tokens."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [self.prompt]  # pyright: ignore[reportReturnType]  (a list of numbers is one)
        return list(self.prompt)  # pyright: ignore[reportReturnType]

    def sampling(self) -> Sampling:
        """How each answer is chosen."""
        return self.choose(top_logprobs=self.logprobs)


class EmbeddingRequest(Strict):
    """Texts are to become vectors."""

    model: ModelName
    input: (
        str
        | Annotated[list[str], Field(min_length=1, max_length=MAX_INPUTS)]
        | Annotated[list[TokenId], Field(min_length=1)]
        | Annotated[list[list[TokenId]], Field(min_length=1, max_length=MAX_INPUTS)]
    ) = setting(..., "texts, or their tokens")
    encoding_format: Literal["float", "base64"] | None = setting(
        None, "numbers, or base64 of float32, lowest byte first"
    )
    dimensions: int | None = setting(None, "only what the model has", ge=1)
    user: str | None = setting(None, "taken and ignored", max_length=1000)

    def inputs(self) -> list[str | list[int]]:
        """The texts one by one, as text or as tokens."""
        if isinstance(self.input, str):
            return [self.input]
        if isinstance(self.input[0], int):
            return [self.input]  # pyright: ignore[reportReturnType]
        return list(self.input)  # pyright: ignore[reportReturnType]


# --- adapters, on the paths that vLLM has ----------------------------------------------------


class LoadAdapter(Strict):
    """An adapter's folder is to answer to a name."""

    lora_name: ModelName
    lora_path: Annotated[str, Field(min_length=1)]
    load_inplace: bool = setting(False, "taken and ignored: a name that is taken is replaced")


class UnloadAdapter(Strict):
    """An adapter is to go."""

    lora_name: ModelName
