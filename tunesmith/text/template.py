"""A model's chat template: a Jinja program from outside, run in a sandbox."""

# jinja2 does not type its environment's tables
# pyright: reportUnknownMemberType=false

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, NoReturn

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.conversation import Message

MAX_RENDERED_CHARACTERS = 20_000_000

# Some templates print the day. A fixed one keeps the text of training and serving equal.
TEMPLATE_DATE = date(2026, 1, 1)


class ChatTemplate:
    """Turns messages into the one text a model was taught to read.

    Renders what transformers' `apply_chat_template` renders, without its clock.

    Args:
        source: the Jinja text.
        special_tokens: variables of the template, such as `bos_token` and `eos_token`.
        today: what the template's `strftime_now` formats.

    Raises:
        ModelRejected: `source` is not valid Jinja.
    """

    def __init__(
        self, source: str, *, special_tokens: Mapping[str, str], today: date = TEMPLATE_DATE
    ) -> None:
        self.source = source
        self._special_tokens = dict(special_tokens)
        try:
            self._template = _environment(today).from_string(source)
        except TemplateSyntaxError as error:
            reason = f"line {error.lineno}: {error.message}"
            raise ModelRejected(f"the chat template is not valid Jinja: {reason}") from error

    def render(self, messages: Sequence[Message], *, add_generation_prompt: bool = False) -> str:
        """Render `messages`; with `add_generation_prompt`, open the turn of the next answer.

        Raises:
            DatasetRejected: the template refuses these messages.
            ModelRejected: the template fails or renders without end.
        """
        pieces: list[str] = []
        num_characters = 0
        try:
            for piece in self._template.generate(
                messages=[{"role": each.role, "content": each.content} for each in messages],
                add_generation_prompt=add_generation_prompt,
                tools=None,
                documents=None,
                **self._special_tokens,
            ):
                pieces.append(piece)
                num_characters += len(piece)
                if num_characters > MAX_RENDERED_CHARACTERS:
                    raise _TooLong
        except _Refusal as error:
            reason = error.message
            raise DatasetRejected(
                f"the chat template refuses this conversation: {reason}"
            ) from error
        except _TooLong:
            limit = f"{MAX_RENDERED_CHARACTERS:,} characters"
            raise ModelRejected(f"the chat template renders more than {limit}") from None
        except Exception as error:  # the template is a foreign program: any error is its own
            raise ModelRejected(f"the chat template fails: {error}") from error
        return "".join(pieces)


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


def _environment(today: date) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.loopcontrols", _GenerationTag],
    )
    environment.filters.update(tojson=_to_json)
    environment.globals.update(raise_exception=_raise_exception, strftime_now=today.strftime)
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes HTML, which no model was trained on."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: str) -> NoReturn:
    raise _Refusal(message)
