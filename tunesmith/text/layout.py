"""Where each message's content lies in the rendered text, proven rather than guessed.

The template is a program: it may trim a message, drop earlier reasoning or add a system prompt, so
searching for a message's text or rendering a shorter conversation can mislead. Instead a message's
content is replaced by a probe: the text before and after the probe is what the template puts around
this message, and the real text between the same two is this message's content.

An answer is what the model has to write when it is served. It begins where the generation prompt
ends and goes on to the token that ends the turn, so it includes what the template puts before its
content:

- the `<think>` block of the last answer, its own or the empty one that Qwen3's template adds;
- the space behind Mistral's `[/INST]`, the line break behind GLM's `<|assistant|>`;
- calls of tools, in the template's own notation, with their opening and closing tags.

An earlier answer from which the template has removed the reasoning is learned as it is shown,
without. To learn the reasoning of every answer, let each be the last one of its own conversation.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.conversation import Message, Role, to_json_text
from tunesmith.text.template import PROBE, ChatTemplate

SpanRole: TypeAlias = Role | Literal["text"]


@dataclass(frozen=True, slots=True)
class Span:
    """The characters `start` to `end` (exclusive) are one answer, content or passage."""

    role: SpanRole
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A text as the model reads it, and the spans of its contents in order."""

    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Opening:
    """How a plain answer to the same messages would stand in the text.

    Attributes:
        prompt: all that the model reads before it writes.
        lead: what the template puts between the prompt and the answer's content.
        tail: what the template puts behind it.
    """

    prompt: str
    lead: str
    tail: str


def locate_all(
    messages: Sequence[Message], *, text: str, template: ChatTemplate, tools: str
) -> tuple[Span, ...]:
    """Locate the contents of `messages` in `text`, which is how `template` renders them.

    Every answer has a span. A message of another role has none where the template leaves it out.

    Raises:
        DatasetRejected: the template rewrites the messages so that an answer cannot be located.
        ModelRejected: the template fails.
    """
    spans: list[Span] = []
    probing = _Probing(messages, text, template, tools)
    for index, message in enumerate(messages):
        is_answer = message.role == "assistant"
        span = probing.locate_answer(index) if is_answer else probing.locate_content(index)
        if span is not None:
            spans.append(span)
        elif is_answer and probing.hides_calls(index):
            raise DatasetRejected(
                f"message {index + 1} of {len(messages)} calls tools, which the chat template of "
                "this model does not show",
                hint="choose a model whose chat template knows tools, or leave such rows out",
            )
        elif is_answer:
            raise DatasetRejected(
                f"message {index + 1} of {len(messages)} is an answer that cannot be located in "
                "what the chat template makes of this conversation",
                hint="leave the message out or mend it",
            )
    return tuple(spans)


def opening_of(before: Sequence[Message], *, template: ChatTemplate, tools: str) -> Opening | None:
    """How an answer to `before` begins and ends, or None if the template does not answer it."""
    if not before:
        return None
    plain = [*before, Message("assistant", PROBE)]
    try:
        prompt = template.render(before, tools=tools, add_generation_prompt=True)
        header, tail = template.render(plain, tools=tools).split(PROBE)
        if not header.startswith(prompt):
            return None
        lead = header[len(prompt) :]
        if lead.strip() and template.render(before, tools=tools) == prompt:
            # The template has no generation prompt; this is the header that should be one.
            return Opening(header, "", tail)
    except (DatasetRejected, ModelRejected, ValueError):
        return None
    return Opening(prompt, lead, tail)


@dataclass(frozen=True, slots=True)
class _Probing:
    """One conversation whose messages are replaced by probes, one at a time."""

    messages: Sequence[Message]
    text: str
    template: ChatTemplate
    tools: str

    def locate_content(self, index: int) -> Span | None:
        around = self._around(index)
        if around is None or not self.text.startswith(around[0]):
            return None
        return self._span(index, len(around[0]), around[1])

    def locate_answer(self, index: int) -> Span | None:
        around = self._around(index)
        opening = opening_of(self.messages[:index], template=self.template, tools=self.tools)
        if around is None:
            return self._locate_call(index, opening)
        before, after = around
        if opening is not None and self.text.startswith(opening.prompt):
            return self._span(index, len(opening.prompt), after)
        if not self.text.startswith(before):
            return None
        lead = opening.lead if opening is not None and before.endswith(opening.lead) else ""
        return self._span(index, len(before) - len(lead), after)

    def hides_calls(self, index: int) -> bool:
        """Whether the message calls tools and the text would be the same if it did not."""
        without = self._replaced(index, tool_calls="")
        return self.messages[index].tool_calls != "" and self._render(without) == self.text

    def _locate_call(self, index: int, opening: Opening | None) -> Span | None:
        """Locate calls of tools where the template allows no plain answer in their place.

        What the model writes is known from the conversation up to here. It must stand once in the
        text, and nowhere in the text with other calls.
        """
        message = self.messages[index]
        if opening is None or not message.tool_calls:
            return None
        upto = self._render([*self.messages[: index + 1]])
        others = upto and self._render(self._replaced(index, tool_calls=_other(message.tool_calls)))
        if not others or not upto.startswith(opening.prompt) or not upto.endswith(opening.tail):
            return None
        written = upto[len(opening.prompt) : len(upto) - len(opening.tail)]
        if self.text.count(written) != 1 or written in others:
            return None
        start = self.text.index(written)
        return Span("assistant", start, start + len(written))

    def _around(self, index: int) -> tuple[str, str] | None:
        """What the template puts around a plain text in the place of message `index`."""
        parts = self._render(self._replaced(index, content=PROBE, tool_calls="")).split(PROBE)
        return (parts[0], parts[1]) if len(parts) == 2 else None  # left out, or said twice

    def _replaced(self, index: int, **changes: str) -> list[Message]:
        changed = list(self.messages)
        changed[index] = replace(changed[index], **changes)
        return changed

    def _render(self, messages: Sequence[Message]) -> str:
        """The text of `messages`, or nothing if the template refuses them."""
        try:
            return self.template.render(messages, tools=self.tools)
        except DatasetRejected:
            return ""

    def _span(self, index: int, start: int, after: str) -> Span | None:
        end = len(self.text) - len(after)
        located = start < end and self.text.endswith(after)
        return Span(self.messages[index].role, start, end) if located else None


def _other(tool_calls: str) -> str:
    """As many calls with the same ids, of functions with another name."""
    calls = json.loads(tool_calls)
    for call in calls:
        call["function"]["name"] = PROBE
    return to_json_text(calls)
