"""What a tenant's library keeps: one table of kinds, each with what an entry of it holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import PositiveInt

from tunesmith.evaluation.templates import check_template
from tunesmith.schema import LongText, Strict, setting


class ChatSampling(Strict):
    """How answers of a chat are chosen; what is None is the server's choice."""

    temperature: float | None = setting(None, "0 always takes the likeliest token", ge=0, le=100)
    top_p: float | None = setting(
        None, "choose among the likeliest tokens of this total probability", gt=0, le=1
    )
    max_tokens: PositiveInt | None = setting(None, "longest answer", unit="tokens", le=100_000)
    seed: int | None = setting(None, "origin of the random choice", ge=0, lt=2**32)


class Character(Strict):
    """Somebody to chat with."""

    greeting: LongText = setting("", "what they say first")
    persona: LongText = setting("", "who they are: the system prompt")
    model: str | None = setting(None, "the model that plays them", max_length=200)
    sampling: ChatSampling = setting(ChatSampling(), "how their answers are chosen")


class PromptTemplate(Strict):
    """A way to ask: `{{prompt}}` is what a person says, other names are values of theirs."""

    template: LongText = setting("{{prompt}}", "the text of the user's message")
    system_prompt: LongText | None = setting(
        None, "instead of the one a model was trained with; empty for none"
    )


Content = TypeVar("Content", bound=Strict)


@dataclass(frozen=True)
class Shelf(Generic[Content]):
    """Entries of one kind.

    Attributes:
        kind: what an entry is called.
        content: what it holds.
        purpose: what it is for, as the help of its commands begins.
        check: refuses what is not to be kept from now on, but is read where it was kept before.
    """

    kind: str
    content: type[Content]
    purpose: str
    check: Callable[[Content], None] = lambda content: None

    @property
    def plural(self) -> str:
        """What entries are called, in addresses and commands too."""
        return f"{self.kind}s"


def _check_prompt(prompt: PromptTemplate) -> None:
    check_template(prompt.template, source="template")


CHARACTERS = Shelf("character", Character, "Whom to chat with on a server")
PROMPTS = Shelf("prompt", PromptTemplate, "Ways to ask that a server keeps", check=_check_prompt)
SHELVES: tuple[Shelf[Any], ...] = (CHARACTERS, PROMPTS)
