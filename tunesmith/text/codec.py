"""Text to tokens and a loss mask, and back: the same code for training, evaluation and serving."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
from tokenizers import Tokenizer

from tunesmith import schema
from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.conversation import (
    Conversation,
    Example,
    Message,
    Passage,
    Preference,
    with_system_prompt,
)
from tunesmith.text.encoded import ROLES, EncodedExample
from tunesmith.text.folder import read_text_files
from tunesmith.text.layout import Layout, Span
from tunesmith.text.molds import Typesetter
from tunesmith.text.places import PlacedTokens, TokenPlacer, placed_by_tokenizer
from tunesmith.text.template import ChatTemplate

TrainOn: TypeAlias = Literal["answers", "all"]

_LEARNED = ("assistant", "text")
_ROLE_NUMBERS = {role: number for number, role in enumerate(ROLES)}
_CHAT_FORMATS = "messages, sharegpt, alpaca, prompt-completion, question-answer"


class TextCodec:
    """A tokenizer with its chat template and `end_ids`, the tokens that end a turn or text.

    Args:
        tokenizer: without truncation and padding.
        chat_template: Jinja source, or None for a model that only reads plain text.
        special_tokens: texts by name; `bos_token` and `eos_token` have a meaning here, all are
            variables of the template.
        stop_ids: further ids at which the model's generation stops.

    Raises:
        ModelRejected: the template is not valid Jinja, fails, or the tokenizer has no `eos_token`
            of that text.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        chat_template: str | None,
        special_tokens: Mapping[str, str],
        stop_ids: Iterable[int] = (),
    ) -> None:
        self.tokenizer = tokenizer
        self._special_tokens = dict(special_tokens)
        self._eos_token = special_tokens.get("eos_token", "")
        self._bos_token = _leading_token(tokenizer, special_tokens.get("bos_token", ""))
        self._template = (
            None
            if chat_template is None
            else ChatTemplate(chat_template, special_tokens=special_tokens)
        )
        self._typesetter = Typesetter(self._template) if self._template else None
        turn_end, self._closing = self._find_turn_end()
        self.end_ids = tuple(sorted({*stop_ids, *self._eos_ids(), *turn_end}))

    @classmethod
    def from_folder(cls, folder: Path) -> Self:
        """The codec of a model folder in the Hugging Face layout.

        Raises:
            ModelRejected: a file is missing or damaged, or the class refuses its content.
        """
        files = read_text_files(folder)
        return cls(
            files.tokenizer,
            chat_template=files.chat_template,
            special_tokens=files.special_tokens,
            stop_ids=files.stop_ids,
        )

    @property
    def chat_template(self) -> str:
        """Its Jinja source, "" where there is none."""
        return self._template.source if self._template else ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all that decides how text becomes tokens and a mask."""
        return schema.digest(
            {
                "tokenizer": self.tokenizer.to_str(),
                "template": self._template.source if self._template else None,
                "special_tokens": self._special_tokens,
                "end_ids": self.end_ids,
            }
        )

    def encode(
        self, example: Example, *, system_prompt: str = "", train_on: TrainOn = "answers"
    ) -> EncodedExample:
        """`encode_many` of one example."""
        return self.encode_many([example], system_prompt=system_prompt, train_on=train_on)[0]

    def encode_many(
        self, examples: Sequence[Example], *, system_prompt: str = "", train_on: TrainOn = "answers"
    ) -> list[EncodedExample]:
        """Encode `examples`, each rendered once and tokenized once.

        With `train_on` "answers", the trained tokens are those that start within an answer or a
        passage, and the token that ends it; with "all", every token. `system_prompt` goes before
        conversations without a system message of their own.

        Raises:
            DatasetRejected: the template refuses an example or hides its answers, or an example is
                neither a conversation nor a passage.
            ModelRejected: an answer has no end-of-turn token behind it, so the model would never
                learn to stop; or a chat template or end-of-text token is needed and there is none.
        """
        layouts = [self._lay_out(example, system_prompt) for example in examples]
        placed = self._placer.place([layout.text for layout in layouts])
        return [
            self._mark(layout, tokens, train_on=train_on)
            for layout, tokens in zip(layouts, placed, strict=True)
        ]

    def encode_prompt(
        self, messages: Sequence[Message], *, system_prompt: str = "", tools: str = ""
    ) -> list[int]:
        """Token ids of `messages` and the opening of the next answer.

        Raises:
            DatasetRejected: the template refuses the messages.
            ModelRejected: there is no chat template, or it fails.
        """
        messages = with_system_prompt(messages, system_prompt)
        text = self._chat_template().render(messages, tools=tools, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def encode_text(self, text: str) -> list[int]:
        """Token ids of plain `text`, opened as passages are in training."""
        return self.tokenizer.encode(self._bos_token + text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of `token_ids`, without special tokens."""
        return self.tokenizer.decode(token_ids, skip_special_tokens=True)

    def _lay_out(self, example: Example, system_prompt: str) -> Layout:
        if isinstance(example, Passage):
            text = self._bos_token + example.text
            return Layout(text + self._eos_token, (Span("text", 0, len(text)),))
        if not isinstance(example, Conversation):
            kind = "a preference pair" if isinstance(example, Preference) else "a classified text"
            raise DatasetRejected(
                f"{kind} is nothing that sft trains on; it trains on conversations "
                f"({_CHAT_FORMATS}) and on plain text (text)",
                hint="import the data in one of these formats",
            )
        self._chat_template()
        assert self._typesetter is not None
        messages = with_system_prompt(example.messages, system_prompt)
        layout = self._typesetter.lay_out(messages, tools=example.tools)
        return self._closed(layout, by_call=bool(messages[-1].tool_calls))

    def _closed(self, layout: Layout, *, by_call: bool) -> Layout:
        """`layout` with an end behind its last answer, if the template puts nothing there."""
        answers = [span.end for span in layout.spans if span.role == "assistant"]
        if not answers or answers[-1] != len(layout.text):
            return layout
        return Layout(
            layout.text + (self._call_closing if by_call else self._closing), layout.spans
        )

    def _chat_template(self) -> ChatTemplate:
        if self._template is None:
            raise ModelRejected(
                "the model has no chat template, so it cannot read conversations",
                hint="choose an instruct model, or train on plain text",
            )
        return self._template

    @cached_property
    def _placer(self) -> TokenPlacer:
        return TokenPlacer(self.tokenizer)

    def _mark(self, layout: Layout, tokens: PlacedTokens, *, train_on: TrainOn) -> EncodedExample:
        trained = np.full(len(tokens), train_on == "all")
        roles = np.zeros(len(tokens), np.uint8)
        turn_ends: list[int] = []
        bounds = np.array([(span.start, span.end) for span in layout.spans], np.int32)
        places = tokens.char_starts.searchsorted(bounds).tolist()
        for span, (first, behind) in zip(layout.spans, places, strict=True):
            if span.role in _LEARNED:
                turn_ends.append(self._turn_end(layout.text, span, tokens, behind))
                behind = turn_ends[-1] + 1
                trained[first:behind] = True
            roles[first:behind] = _ROLE_NUMBERS[span.role]
        return EncodedExample(
            token_ids=tokens.token_ids,
            trained=trained,
            roles=roles,
            turn_ends=np.array(turn_ends, np.int64),
            char_ends=tokens.char_ends,
            text=layout.text,
        )

    def _turn_end(self, text: str, span: Span, tokens: PlacedTokens, behind: int) -> int:
        """Position of the token that ends the learned text `span`; `behind` is the first behind it.

        Raises:
            ModelRejected: it is none of `end_ids`.
        """
        position = _next_shown(text, tokens, behind)
        if position == len(tokens) or tokens.token_ids[position] not in self.end_ids:
            follows = text[span.end : span.end + 20]
            raise ModelRejected(
                f"no end-of-turn token follows an answer (what follows is {follows!r}), so the "
                "model would never learn to stop",
                hint="mend the model's chat template or eos_token",
            )
        return position

    def _eos_ids(self) -> set[int]:
        if not self._eos_token:
            return set()
        eos_id = self.tokenizer.token_to_id(self._eos_token)
        if eos_id is None:
            raise ModelRejected(
                f"the tokenizer has no token {self._eos_token!r}, the model's eos_token"
            )
        return {eos_id}

    def _find_turn_end(self) -> tuple[set[int], str]:
        """The special token that the template puts behind an answer, and the text to add for it.

        Some models stop a turn with a token that is not their end of text, and do not say so. A
        template may also put nothing behind the last answer, because the next turn's first token is
        the end of this one (GLM): that token, or the end of text, is then added to a last answer.
        """
        question, answer = Message("user", "1+1"), Message("assistant", "2")
        last = self._token_behind([question, answer])
        if last is not None:
            return {last}, ""
        inner = self._token_behind([question, answer, question])
        bos_id = self.tokenizer.token_to_id(self._special_tokens.get("bos_token", ""))
        if inner is None or inner == bos_id:
            return set(), self._eos_token
        return {inner}, self.tokenizer.id_to_token(inner) or ""

    @cached_property
    def _call_closing(self) -> str:
        """As `_closing`, behind a last answer that calls a tool: what the result begins with."""
        call = '[{"id":"000000000","type":"function","function":{"name":"add","arguments":{}}}]'
        asked, called = Message("user", "1+1"), Message("assistant", "", tool_calls=call)
        result = Message("tool", "2", tool_call_id="000000000")
        inner = self._token_behind([asked, called, result])
        closing = None if inner is None else self.tokenizer.id_to_token(inner)
        return closing or self._closing

    def _token_behind(self, messages: Sequence[Message]) -> int | None:
        """The special token behind the answer `messages[1]`, if there is one."""
        if self._typesetter is None:
            return None
        try:
            layout = self._typesetter.lay_out(messages)
        except DatasetRejected:  # training will refuse its examples; serving can go on without
            return None
        [end] = [span.end for span in layout.spans if span.role == "assistant"]
        encoding = self.tokenizer.encode(layout.text, add_special_tokens=False)
        tokens = placed_by_tokenizer(encoding)
        position = _next_shown(layout.text, tokens, int(tokens.char_starts.searchsorted(end)))
        if position == len(tokens):
            return None
        token_id = encoding.ids[position]
        return token_id if token_id in self.tokenizer.get_added_tokens_decoder() else None


def _leading_token(tokenizer: Tokenizer, bos_token: str) -> str:
    """`bos_token` if the tokenizer puts it before every plain text, else nothing."""
    added = tokenizer.encode("").tokens
    return bos_token if added[:1] == [bos_token] else ""


def _next_shown(text: str, tokens: PlacedTokens, position: int) -> int:
    """The first of `tokens` from `position` on that is more than whitespace, or their number."""
    while position < len(tokens):
        if text[tokens.char_starts[position] : tokens.char_ends[position]].strip():
            break
        position += 1
    return position
