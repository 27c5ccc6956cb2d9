"""Where each message's content lies in the rendered text, proven rather than guessed.

The template is a program: it may trim a message, drop earlier reasoning or add a system prompt, so
searching for a message's text or rendering a shorter conversation can mislead. Instead a message's
content is replaced by a probe: the text before and after the probe is what the template puts around
this message, and the real text between the same two is this message's content.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import Message, Role
from tunesmith.text.template import ChatTemplate

SpanRole: TypeAlias = Role | Literal["text"]

_PROBE = "Q7ZX0PROBE0XZ7Q"


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` to `end` (exclusive) are the content of one message or passage."""

    role: SpanRole
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A text as the model reads it, and the spans of its contents in order."""

    text: str
    spans: tuple[Span, ...]


def lay_out(messages: Sequence[Message], template: ChatTemplate) -> Layout:
    """Render `messages` and locate their contents.

    Every answer has a span. A message of another role has none where the template leaves it out.

    Raises:
        DatasetRejected: the template refuses the messages, or rewrites them so that an answer
            cannot be located.
        ModelRejected: the template fails.
    """
    text = template.render(messages)
    spans: list[Span] = []
    for index, message in enumerate(messages):
        span = _locate(messages, index, text=text, template=template)
        if span is not None:
            spans.append(span)
        elif message.role == "assistant":
            raise DatasetRejected(
                f"message {index + 1} of {len(messages)} is an answer that cannot be located in "
                "what the chat template makes of this conversation",
                hint="leave the message out or mend it",
            )
    return Layout(text, tuple(spans))


def _locate(
    messages: Sequence[Message], index: int, *, text: str, template: ChatTemplate
) -> Span | None:
    probed = list(messages)
    probed[index] = replace(messages[index], content=_PROBE)
    before, *around = template.render(probed).split(_PROBE)
    if len(around) != 1:  # left out, or said more than once
        return None
    [after] = around
    start, end = len(before), len(text) - len(after)
    located = start < end and text.startswith(before) and text.endswith(after)
    return Span(messages[index].role, start, end) if located else None
