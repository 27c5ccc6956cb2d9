"""What one process answers with: a base model in memory, and the names that lead to it."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

from starlette.concurrency import run_in_threadpool
from tokenizers import Tokenizer

from tunesmith.errors import DatasetRejected, NotFound, RequestRejected
from tunesmith.modeling.answer import read_settings
from tunesmith.serving.chats import ChatRequest
from tunesmith.serving.embedding import Encoder
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.replies import ServedModel
from tunesmith.serving.tool_calls import MARKS, CallFormat, format_of


@dataclass(frozen=True)
class Named:
    """A name that answers.

    Attributes:
        name: of the base or of an adapter.
        adapter: what the engine calls it; "" is the base alone.
        system_prompt: what chats begin with that bring none: what it was trained with.
    """

    name: str
    adapter: str = ""
    system_prompt: str = ""
    since: int = field(default_factory=lambda: int(time.time()))


class ServedBase(Protocol):
    """A base model under its name, and what came to it."""

    name: str

    def find(self, model: str) -> Named:
        """What answers to `model`.

        Raises:
            NotFound: nothing does.
        """
        ...

    def names(self) -> Sequence[ServedModel]:
        """Every name that answers."""
        ...

    def check(self) -> None:
        """Raise what keeps it from answering."""
        ...

    def figures(self) -> Iterator[tuple[str, int]]:
        """Counters and what is held now."""
        ...


_NOT_HERE = "the model {!r} does not exist"  # names of others stay untold


class Generator:
    """A base that writes, with adapters beside it. Every method may be called from any thread."""

    def __init__(self, name: str, engine: TorchEngine, *, system_prompt: str = "") -> None:
        self.name, self.engine = name, engine
        self._models: dict[str, Named] = {name: Named(name, system_prompt=system_prompt)}

    @property
    def tokenizer(self) -> Tokenizer:
        """The base's."""
        return self.engine.codec.tokenizer

    @cached_property
    def call_format(self) -> CallFormat:
        """How the base writes calls of tools."""
        return format_of(self.engine.codec.chat_template)

    @cached_property
    def call_marks(self) -> frozenset[int]:
        """Special tokens with which it marks them."""
        added = self.tokenizer.get_added_tokens_decoder()
        return frozenset(
            id for id, token in added.items() if token.special and token.content in MARKS
        )

    def find(self, model: str) -> Named:
        """As `ServedBase` says.

        Raises:
            NotFound: nothing has that name.
        """
        named = self._models.get(model)
        if named is None:
            raise NotFound(_NOT_HERE.format(model))
        return named

    def names(self) -> Sequence[ServedModel]:
        """As `ServedBase` says."""
        return [
            ServedModel(
                id=each.name, created=each.since, parent=self.name if each.adapter else None
            )
            for each in self._models.copy().values()
        ]

    def load(self, name: str, folder: Path) -> None:
        """Let the adapter in `folder` answer to `name`.

        Raises:
            RequestRejected: it is the base's name.
            ModelRejected: the adapter does not fit the base.
            NotEnoughMemory: there is no room for it.
        """
        if name == self.name:
            raise RequestRejected(f"{name} is the base model's name", hint="choose another one")
        self.engine.load_adapter(name, folder)
        prompt = str(read_settings(folder).get("system_prompt") or "")
        self._models[name] = Named(name, adapter=name, system_prompt=prompt)

    def unload(self, name: str) -> None:
        """Take an adapter's name away.

        Raises:
            NotFound: no adapter has it.
        """
        if name == self.name or self._models.pop(name, None) is None:
            raise NotFound(_NOT_HERE.format(name))
        self.engine.unload_adapter(name)

    async def chat_prompt(self, model: Named, body: ChatRequest) -> list[int]:
        """Token ids of a conversation up to where the model answers.

        Raises:
            RequestRejected: the chat template refuses it.
            ModelRejected: there is none, or it fails.
        """
        try:
            return await run_in_threadpool(
                self.engine.codec.encode_prompt,
                body.conversation(),
                system_prompt=model.system_prompt,
                tools=body.tool_definitions(),
            )
        except DatasetRejected as error:
            raise RequestRejected(error.message, hint=error.hint) from error

    def tokens(self, prompt: str | list[int]) -> list[int]:
        """Token ids of plain text."""
        return self.engine.codec.encode_text(prompt) if isinstance(prompt, str) else prompt

    def check(self) -> None:
        """As `ServedBase` says.

        Raises:
            Unavailable: the engine has ended.
        """
        self.engine.stats()

    def figures(self) -> Iterator[tuple[str, int]]:
        """As `ServedBase` says."""
        counters: Mapping[str, object] = asdict(self.engine.stats())
        yield from ((name, n) for name, n in counters.items() if isinstance(n, int))


class Embedder:
    """A sentence encoder."""

    def __init__(self, name: str, encoder: Encoder) -> None:
        self.name, self.encoder = name, encoder
        self._named = Named(name)

    def find(self, model: str) -> Named:
        """As `ServedBase` says.

        Raises:
            NotFound: nothing has that name.
        """
        if model != self.name:
            raise NotFound(_NOT_HERE.format(model))
        return self._named

    def names(self) -> Sequence[ServedModel]:
        """As `ServedBase` says."""
        return [ServedModel(id=self.name, created=self._named.since)]

    def check(self) -> None:
        """It always answers."""

    def figures(self) -> Iterator[tuple[str, int]]:
        """It counts nothing."""
        yield from ()
