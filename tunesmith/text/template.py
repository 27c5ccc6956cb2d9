"""A model's chat template: a Jinja program from outside, run in a sandbox with limits.

A template has a place for a system message, or it has none: it refuses one (Gemma) or leaves it
out where the conversation goes on (Mistral v0.3). Nothing is left out in silence here: for such a
template the system message goes before the first user message, with a blank line between, in
training and in serving alike.
"""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from functools import cached_property, lru_cache
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser

from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.budget import BUDGET, MAX_SECONDS, Budget, LimitPassed
from tunesmith.text.conversation import Message
from tunesmith.text.sandbox import MAX_SOURCE_CHARACTERS, LimitedSandbox
from tunesmith.text.unseen import Seen, Unseen

MAX_RENDERED_CHARACTERS = 20_000_000

# Some templates print the day. A fixed one keeps the text of training and serving equal.
TEMPLATE_DATE = date(2026, 1, 1)

PROBE = "Q7ZX0PROBE0XZ7Q"
"""Stands in for a content to see what a template does with it."""


class ChatTemplate:
    """Turns messages into the one text a model was taught to read.

    Renders what transformers' `apply_chat_template` renders, without its clock.

    Args:
        source: the Jinja text.
        special_tokens: variables of the template, such as `bos_token` and `eos_token`.
        today: what the template's `strftime_now` formats.

    Raises:
        ModelRejected: `source` is not valid Jinja, or uses what no chat template needs.
    """

    def __init__(
        self, source: str, *, special_tokens: Mapping[str, str], today: date = TEMPLATE_DATE
    ) -> None:
        self.source = source
        self._special_tokens = dict(special_tokens)
        if len(source) > MAX_SOURCE_CHARACTERS:
            limit = f"{MAX_SOURCE_CHARACTERS:,}"
            raise ModelRejected(
                f"the chat template has {len(source):,} characters, {limit} allowed"
            )
        self._environment = _environment(today)
        try:
            self._template = self._environment.from_string(source)
        except TemplateSyntaxError as error:
            reason = f"line {error.lineno}: {error.message}"
            raise ModelRejected(f"the chat template is not valid Jinja: {reason}") from error
        except (SyntaxError, RecursionError, ValueError, MemoryError) as error:
            raise ModelRejected(f"the chat template is nested too deep: {error}") from error

    def render(
        self, messages: Sequence[Message], *, tools: str = "", add_generation_prompt: bool = False
    ) -> str:
        """Render `messages`; with `add_generation_prompt`, open the turn of the next answer.

        Args:
            messages: the turns; a leading system message without a place joins the user's.
            tools: JSON list of tool definitions.
            add_generation_prompt: a variable of the template.

        Raises:
            DatasetRejected: the template refuses these messages.
            ModelRejected: the template fails, or takes more time or memory than there is for it.
        """
        return self._render(
            self._placed(messages), tools=tools, add_generation_prompt=add_generation_prompt
        )

    def render_unseen(self, messages: Sequence[Message], *, tools: str = "") -> str | None:
        """As `render`, if the template prints the contents without looking at them, else None.

        It then prints the same around other contents, of which the same ones are empty.
        """
        if self._captures:
            return None
        try:
            return self._render(self._placed(messages), tools=tools, unseen=True)
        except (Seen, DatasetRejected, ModelRejected):
            return None

    @cached_property
    def _captures(self) -> bool:
        return self._environment.captures(self.source)

    def _placed(self, messages: Sequence[Message]) -> Sequence[Message]:
        """`messages` with the system message where the template has a place for it."""
        if messages and messages[0].role == "system" and not self.takes_system_messages:
            return _without_system_message(messages)
        return messages

    @cached_property
    def takes_system_messages(self) -> bool:
        """Whether a leading system message is shown, in training and in serving, in every turn."""
        opening = (Message("system", PROBE), Message("user", "1+1"))
        turn = (Message("assistant", "2"), Message("user", "2+2"), Message("assistant", "4"))
        for messages in (opening, opening + turn[:1], opening + turn):
            try:
                text = self._render(messages, add_generation_prompt=messages is opening)
            except DatasetRejected:
                return False
            if PROBE not in text:
                return False
        return True

    def _render(
        self,
        messages: Sequence[Message],
        *,
        tools: str = "",
        add_generation_prompt: bool = False,
        unseen: bool = False,
    ) -> str:
        variables = {
            **self._special_tokens,
            "messages": [_variables(message, unseen=unseen) for message in messages],
            "tools": _parsed(tools) if tools else None,
            "documents": None,
            "add_generation_prompt": add_generation_prompt,
        }
        with _explained_errors(), _budget(messages):
            return _collected(self._template.generate(**variables))


def _without_system_message(messages: Sequence[Message]) -> list[Message]:
    system, *rest = messages
    if not rest or rest[0].role != "user":
        raise DatasetRejected(
            "the chat template has no place for a system message, and no user message follows it "
            "that it could join",
            hint="leave the system message out, or begin with a user message",
        )
    first = Message("user", f"{system.content}\n\n{rest[0].content}", name=rest[0].name)
    return [first, *rest[1:]]


def _variables(message: Message, *, unseen: bool = False) -> dict[str, Any]:
    """What the template sees of a message; like OpenAI's, it has only the keys that it needs."""
    content = Unseen(message.content) if unseen and message.content else message.content
    shown: dict[str, Any] = {"role": message.role, "content": content}
    if message.tool_calls:
        shown["tool_calls"] = _parsed(message.tool_calls)
    if message.tool_call_id:
        shown["tool_call_id"] = message.tool_call_id
    if message.name:
        shown["name"] = message.name
    return shown


@lru_cache(maxsize=256)
def _parsed(text: str) -> Any:
    """The sandbox keeps templates from changing it, so it is parsed once for many renders."""
    return json.loads(text)


@contextmanager
def _budget(messages: Sequence[Message]) -> Generator[None]:
    sizes = (len(each.content) + len(each.tool_calls) for each in messages)
    token = BUDGET.set(Budget(sum(sizes)))
    try:
        yield
    finally:
        BUDGET.reset(token)


@contextmanager
def _explained_errors() -> Generator[None]:
    try:
        yield
    except _Refusal as error:
        reason = error.message
        raise DatasetRejected(f"the chat template refuses this conversation: {reason}") from error
    except _TooLong:
        limit = f"{MAX_RENDERED_CHARACTERS:,} characters"
        raise ModelRejected(f"the chat template renders more than {limit}") from None
    except LimitPassed:
        raise ModelRejected(
            f"the chat template takes more than {MAX_SECONDS:g} s, or more memory than a chat "
            "template needs, to render one conversation"
        ) from None
    except Exception as error:  # the template is a foreign program: any error is its own
        raise ModelRejected(f"the chat template fails: {error}") from error


def _collected(pieces: Iterator[str]) -> str:
    collected: list[str] = []
    num_characters = 0
    for piece in pieces:
        collected.append(piece)
        num_characters += len(piece)
        if num_characters > MAX_RENDERED_CHARACTERS:
            raise _TooLong
    return "".join(collected)


class _Refusal(TemplateError):
    """The template called `raise_exception`."""


class _TooLong(Exception):
    """The rendered text passed the limit."""


class _GenerationTag(Extension):
    """`{% generation %}` marks answers for transformers; here it is read and has no effect."""

    tags = {"generation"}  # noqa: RUF012 - declared so by jinja2

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return the body of the tag."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment(today: date) -> LimitedSandbox:
    def strftime_now(format: str) -> str:
        return today.strftime(format[:100])

    environment = LimitedSandbox(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _GenerationTag],
    )
    environment.globals |= {  # pyright: ignore[reportUnknownMemberType]
        "raise_exception": _raise_exception,
        "strftime_now": strftime_now,
    }
    return environment


def _raise_exception(message: str) -> NoReturn:
    raise _Refusal(message)
