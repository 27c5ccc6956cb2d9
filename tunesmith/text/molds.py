"""Layouts without probing every conversation: the text around the contents is found once a shape.

Conversations of one shape (the same roles, tools and gaps) mostly differ in their contents alone.
Their mold, the text around the contents, is found by rendering probes. A conversation is then
rendered once: if the mold filled with its contents is that very text, its contents lie where the
mold has them. If it is not, because the template rewrites what this conversation says, its contents
are located one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import Message, Role
from tunesmith.text.layout import Layout, Span, locate_all, opening_of
from tunesmith.text.template import ChatTemplate

_Shape: TypeAlias = tuple[tuple[Role, bool], ...]

_STEM = "X9QK0MOLD"  # of the probes, each with its number; not the probe of `opening_of`
_NUM_MOLDS = 1024  # kept in memory; a dataset with other tools in every row has one each


class Typesetter:
    """Lays out conversations with one chat template."""

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self._mold = lru_cache(_NUM_MOLDS)(self._make_mold)

    def lay_out(self, messages: Sequence[Message], *, tools: str = "") -> Layout:
        """Render `messages` and locate their contents.

        Raises:
            DatasetRejected: the template refuses the messages, or rewrites them so that an answer
                cannot be located; or an answer has neither content nor calls.
            ModelRejected: the template fails.
        """
        _check_answers(messages)
        text = self._template.render(messages, tools=tools)
        spans = None
        if not any(each.tool_calls or each.tool_call_id or each.name for each in messages):
            mold = self._mold(tuple((each.role, bool(each.content)) for each in messages), tools)
            spans = mold.fill(messages, text) if mold is not None else None
        if spans is None:
            spans = locate_all(messages, text=text, template=self._template, tools=tools)
        return Layout(text, spans)

    def _make_mold(self, shape: _Shape, tools: str) -> "_Mold | None":
        """The mold of a shape, or None if its contents do not stand once and in order."""
        probes = [
            f"{_STEM}{index:05}Z" if filled else "" for index, (_, filled) in enumerate(shape)
        ]
        messages = [Message(role, probe) for (role, _), probe in zip(shape, probes, strict=True)]
        try:
            rest = self._template.render(messages, tools=tools)
        except DatasetRejected:
            return None
        shown, pieces, leads = list[int](), list[str](), list[int]()
        for index, message in enumerate(messages):
            parts = rest.split(message.content) if message.content else [rest]
            if len(parts) == 1 and message.role != "assistant":
                continue  # left out
            if len(parts) != 2:
                return None
            before, rest = parts
            shown.append(index)
            pieces.append(before)
            leads.append(self._lead(messages, index, before, tools))
        return _Mold(tuple(shown), (*pieces, rest), tuple(leads))

    def _lead(self, messages: Sequence[Message], index: int, before: str, tools: str) -> int:
        """How many characters of `before` the model writes itself, before this answer's content."""
        if messages[index].role != "assistant":
            return 0
        opening = opening_of(messages[:index], template=self._template, tools=tools)
        return len(opening.lead) if opening and before.endswith(opening.lead) else 0


@dataclass(frozen=True, slots=True)
class _Mold:
    """The text around the contents of a conversation.

    Attributes:
        shown: the messages whose contents are in the text.
        pieces: the text before each of them, and behind the last.
        leads: how much of that before it belongs to an answer.
    """

    shown: tuple[int, ...]
    pieces: tuple[str, ...]
    leads: tuple[int, ...]

    def fill(self, messages: Sequence[Message], text: str) -> tuple[Span, ...] | None:
        """The spans of `messages` in `text`, if that is the mold filled with them."""
        contents = [messages[index].content for index in self.shown]
        if self._filled(contents) != text:
            contents = [content.strip() for content in contents]  # as many templates do
            if self._filled(contents) != text:
                return None
        spans: list[Span] = []
        position = 0
        for index, piece, lead, content in zip(
            self.shown, self.pieces, self.leads, contents, strict=False
        ):
            start = position + len(piece)
            position = start + len(content)
            if content:
                spans.append(Span(messages[index].role, start - lead, position))
        return tuple(spans)

    def _filled(self, contents: Sequence[str]) -> str:
        parts = [part for pair in zip(self.pieces, contents, strict=False) for part in pair]
        return "".join(parts) + self.pieces[-1]


def _check_answers(messages: Sequence[Message]) -> None:
    for index, message in enumerate(messages):
        if message.role == "assistant" and not message.tool_calls and not message.content.strip():
            raise DatasetRejected(
                f"message {index + 1} of {len(messages)} is an answer without content",
                hint="leave the message out or mend it",
            )
