"""What is asked of an engine and what it gives back. Torch-free; every engine speaks it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from pydantic import Field

from tunesmith.schema import Strict, setting

MAX_TOP_LOGPROBS = 20

Finish: TypeAlias = Literal["stop", "length"]
"""`stop`: an end token, a stop string, or JSON that is complete; `length`: no more room."""


class Sampling(Strict):
    """How an answer is chosen, token by token, and where it ends."""

    max_tokens: int | None = setting(
        None, "longest answer; without it, what the context has room for", unit="tokens", ge=1
    )
    temperature: float = setting(1.0, "0 always takes the likeliest token", ge=0, le=100)
    top_p: float = setting(
        1.0, "choose among the likeliest tokens of this total probability", gt=0, le=1
    )
    seed: int = setting(0, "origin of the random choice; choice i has seed + i", ge=0, lt=2**63)
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = setting(
        (), "texts that end the answer; they are not part of it", max_length=16
    )
    num_choices: int = setting(1, "answers to the same prompt", ge=1, le=128)
    top_logprobs: int | None = setting(
        None,
        "report each token's log probability and this many likeliest others",
        ge=0,
        le=MAX_TOP_LOGPROBS,
    )
    json_schema: Mapping[str, Any] | None = setting(
        None, "the answer is JSON that this schema accepts; {'type': 'object'} takes any object"
    )


@dataclass(frozen=True)
class GenerationRequest:
    """A prompt and how to go on from it.

    Attributes:
        prompt: token ids, at least one.
        adapter: name of a loaded adapter, "" for the base model alone.
        owner: who asks. Owners take turns, and share no cached beginnings of prompts.
        shown_ids: special tokens that are part of the text all the same.
    """

    prompt: tuple[int, ...]
    sampling: Sampling = field(default_factory=Sampling)
    adapter: str = ""
    owner: str = ""
    shown_ids: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Token:
    """A chosen token; its natural log probability before temperature, where it was asked for.

    `top` holds (token id, log probability) of the likeliest, the likeliest first.
    """

    id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Piece:
    """The next part of one choice: a token, and the text that is certain by now.

    Text lags behind tokens while a character is incomplete or a stop string may have begun; all
    texts of a choice together are its answer. The last piece of a choice has `finish`.
    """

    choice: int
    text: str
    token: Token
    finish: Finish | None = None


Deliver: TypeAlias = Callable[[Piece | Exception], None]
"""Hears of each piece, in the engine's thread: it may not wait. An error is the last."""


class Stream(Protocol):
    """Pieces of the choices of one request, as they come. Closing it early frees its room."""

    def __iter__(self) -> Iterator[Piece]: ...

    def __next__(self) -> Piece: ...

    def close(self) -> None:
        """Stop what is still being written. Harmless at any time."""
        ...


@dataclass(frozen=True)
class EngineStats:
    """Counters since the start, and what is held now."""

    num_running: int
    num_waiting: int
    num_kv_tokens_reserved: int
    num_kv_tokens: int
    num_prompt_tokens: int
    num_cached_tokens: int  # of the prompt tokens, those whose keys and values were known
    num_answer_tokens: int
    num_steps: int
    adapters: tuple[str, ...]


class Engine(Protocol):
    """One base model and the adapters that share it. Every method may be called from any thread."""

    def load_adapter(self, name: str, folder: Path) -> None:
        """Make the adapter in `folder` answer to `name`, replacing what did; running answers stay.

        Raises:
            ModelRejected: it does not fit the base, or is of a kind that the engine does not have.
            NotEnoughMemory: it does not fit into memory.
        """
        ...

    def unload_adapter(self, name: str) -> None:
        """Take no more requests for `name`; its memory is freed when its last answer ends.

        Raises:
            NotFound: no adapter has that name.
        """
        ...

    def submit(self, request: GenerationRequest, *, deliver: Deliver | None = None) -> Stream:
        """Queue `request`. With `deliver` pieces go there, and the stream is only to be closed.

        Raises:
            NotFound: its adapter is not loaded.
            RequestRejected: it can never be answered, and why.
        """
        ...

    def stats(self) -> EngineStats:
        """What the engine did and holds."""
        ...

    def close(self) -> None:
        """End the engine; open streams raise."""
        ...
