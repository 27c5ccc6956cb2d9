"""Layouts without probing every conversation: the text around the contents is found once a shape.

Conversations of one shape (the same roles, tools and gaps) mostly differ in their contents alone.
Their mold, the text around the contents, is found by rendering probes. If that rendering is proof
that the template does not look at contents (see `unseen`), the mold filled with the contents of
another conversation is what the template would make of it. Otherwise that one is rendered: if the
mold filled with its contents is that very text, its contents lie where the mold has them. If it is
not, because the template rewrites what this conversation says, its contents are located one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import Message, Role
from tunesmith.text.layout import Layout, Span, locate_all, opening_of
from tunesmith.text.template import MAX_RENDERED_CHARACTERS, ChatTemplate

_Shape: TypeAlias = tuple[tuple[Role, bool], ...]

_STEM = "X9QK0MOLD"  # of the probes, each with its number; not the probe of `opening_of`
_BLANK = "\u2003"  # around a probe, to see whether it is trimmed; no template prints one itself
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
        mold = self._mold_of(messages, tools)
        if mold is not None and mold.is_proven:
            layout = mold.filled(messages)
            if len(layout.text) <= MAX_RENDERED_CHARACTERS:
                return layout
        text = self._template.render(messages, tools=tools)
        if mold is not None:
            layout = mold.filled(messages)
            if layout.text == text:
                return layout
        return Layout(text, locate_all(messages, text=text, template=self._template, tools=tools))

    def _mold_of(self, messages: Sequence[Message], tools: str) -> "_Mold | None":
        if any(each.tool_calls or each.tool_call_id or each.name for each in messages):
            return None
        return self._mold(tuple((each.role, bool(each.content)) for each in messages), tools)

    def _make_mold(self, shape: _Shape, tools: str) -> "_Mold | None":
        """The mold of a shape, or None if its contents do not stand once and in order."""
        messages = [
            Message(role, f"{_BLANK}{_STEM}{index:05}Z{_BLANK}" if filled else "")
            for index, (role, filled) in enumerate(shape)
        ]
        try:
            text = rest = self._template.render(messages, tools=tools)
        except DatasetRejected:
            return None
        slots: list[_Slot] = []
        for index, message in enumerate(messages):
            parts = rest.split(message.content.strip()) if message.content else [rest]
            if len(parts) == 1 and message.role != "assistant":
                continue  # left out
            if len(parts) != 2:
                return None
            before, rest = parts[0].removesuffix(_BLANK), parts[1].removeprefix(_BLANK)
            is_trimmed = [before, rest] == parts
            slots.append(
                _Slot(index, before, self._lead(messages, index, before, tools), is_trimmed)
            )
        mold = _Mold(tuple(slots), rest, is_proven=False)
        unseen = self._template.render_unseen(messages, tools=tools)
        return replace(mold, is_proven=mold.filled(messages).text == text == unseen)

    def _lead(self, messages: Sequence[Message], index: int, before: str, tools: str) -> int:
        """How many characters of `before` the model writes itself, before this answer's content."""
        if messages[index].role != "assistant":
            return 0
        opening = opening_of(messages[:index], template=self._template, tools=tools)
        return len(opening.lead) if opening and before.endswith(opening.lead) else 0


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a content goes.

    Attributes:
        index: of the message.
        before: the text from the content before it to this one.
        lead: how many characters of that belong to an answer.
        is_trimmed: whether the content loses the blanks at its ends.
    """

    index: int
    before: str
    lead: int
    is_trimmed: bool


@dataclass(frozen=True, slots=True)
class _Mold:
    """The text around the contents of a conversation.

    Attributes:
        slots: of the messages whose contents are in the text.
        behind: the text behind the last of them.
        is_proven: whether the template makes this of all contents, whatever they say.
    """

    slots: tuple[_Slot, ...]
    behind: str
    is_proven: bool

    def filled(self, messages: Sequence[Message]) -> Layout:
        """The mold with the contents of `messages`."""
        parts: list[str] = []
        spans: list[Span] = []
        position = 0
        for slot in self.slots:
            message = messages[slot.index]
            content = message.content.strip() if slot.is_trimmed else message.content
            start = position + len(slot.before)
            position = start + len(content)
            parts += (slot.before, content)
            if content:
                spans.append(Span(message.role, start - slot.lead, position))
        return Layout("".join(parts) + self.behind, tuple(spans))


def _check_answers(messages: Sequence[Message]) -> None:
    for index, message in enumerate(messages):
        if message.role == "assistant" and not message.tool_calls and not message.content.strip():
            raise DatasetRejected(
                f"message {index + 1} of {len(messages)} is an answer without content",
                hint="leave the message out or mend it",
            )
