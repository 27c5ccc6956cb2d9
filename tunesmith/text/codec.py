"""Text to tokens and a loss mask, and back: the same code for training, evaluation and serving."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from tunesmith import schema
from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.conversation import Conversation, Example, Message, with_system_prompt
from tunesmith.text.encoded import ROLES, EncodedExample
from tunesmith.text.folder import read_text_files
from tunesmith.text.layout import Layout, Span, lay_out
from tunesmith.text.template import ChatTemplate

TrainOn: TypeAlias = Literal["answers", "all"]

_LEARNED = ("assistant", "text")


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
        self.end_ids = tuple(sorted({*stop_ids, *self._eos_ids(), *self._turn_end_ids()}))

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
            DatasetRejected: the template refuses an example or hides its answers.
            ModelRejected: an answer has no end-of-turn token behind it, so the model would never
                learn to stop; or a chat template or end-of-text token is needed and there is none.
        """
        layouts = [self._lay_out(example, system_prompt) for example in examples]
        texts = [layout.text for layout in layouts]
        encodings = self.tokenizer.encode_batch(texts, add_special_tokens=False)
        return [
            self._mark(layout, encoding, train_on=train_on)
            for layout, encoding in zip(layouts, encodings, strict=True)
        ]

    def encode_prompt(self, messages: Sequence[Message], *, system_prompt: str = "") -> list[int]:
        """Token ids of `messages` and the opening of the next answer.

        Raises:
            DatasetRejected: the template refuses the messages.
            ModelRejected: there is no chat template, or it fails.
        """
        messages = with_system_prompt(messages, system_prompt)
        text = self._chat_template().render(messages, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of `token_ids`, without special tokens."""
        return self.tokenizer.decode(token_ids, skip_special_tokens=True)

    def _lay_out(self, example: Example, system_prompt: str) -> Layout:
        if isinstance(example, Conversation):
            messages = with_system_prompt(example.messages, system_prompt)
            return lay_out(messages, self._chat_template())
        text = self._bos_token + example.text
        return Layout(text + self._eos_token, (Span("text", 0, len(text)),))

    def _chat_template(self) -> ChatTemplate:
        if self._template is None:
            raise ModelRejected(
                "the model has no chat template, so it cannot read conversations",
                hint="choose an instruct model, or train on plain text",
            )
        return self._template

    def _mark(self, layout: Layout, encoding: Encoding, *, train_on: TrainOn) -> EncodedExample:
        offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
        char_starts, char_ends = offsets[:, 0], offsets[:, 1]
        trained = np.full(len(offsets), train_on == "all")
        roles = np.zeros(len(offsets), np.uint8)
        turn_ends: list[int] = []
        for span in layout.spans:
            end = span.end
            if span.role in _LEARNED:
                turn_ends.append(self._turn_end(layout.text, span, encoding.ids, offsets))
                end = int(char_ends[turn_ends[-1]])
            inside = (char_starts >= span.start) & (char_starts < end)
            roles[inside] = ROLES.index(span.role)
            trained |= inside & (span.role in _LEARNED)
        return EncodedExample(
            token_ids=np.array(encoding.ids, np.int32),
            trained=trained,
            roles=roles,
            turn_ends=np.array(turn_ends, np.int64),
            char_ends=char_ends,
            text=layout.text,
        )

    def _turn_end(
        self, text: str, span: Span, token_ids: Sequence[int], offsets: NDArray[np.int32]
    ) -> int:
        """Position of the token that ends the learned text `span`."""
        position = _first_behind(text, span, offsets)
        if position is None or token_ids[position] not in self.end_ids:
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

    def _turn_end_ids(self) -> set[int]:
        """The special token that the template itself puts behind an answer.

        Some models stop a turn with a token that is not their end of text, and do not say so.
        """
        if self._template is None:
            return set()
        try:
            layout = lay_out([Message("user", "1+1"), Message("assistant", "2")], self._template)
        except DatasetRejected:  # training will refuse its examples; serving can go on without
            return set()
        encoding = self.tokenizer.encode(layout.text, add_special_tokens=False)
        position = _first_behind(
            layout.text, layout.spans[-1], np.array(encoding.offsets, np.int32)
        )
        if position is None:
            return set()
        special_ids = self.tokenizer.get_added_tokens_decoder().keys()
        return special_ids & {encoding.ids[position]}


def _leading_token(tokenizer: Tokenizer, bos_token: str) -> str:
    """`bos_token` if the tokenizer puts it before every plain text, else nothing."""
    added = tokenizer.encode("").tokens
    return bos_token if added[:1] == [bos_token] else ""


def _first_behind(text: str, span: Span, offsets: NDArray[np.int32]) -> int | None:
    """Position of the first token behind `span` that is more than whitespace."""
    for position in np.flatnonzero(offsets[:, 0] >= span.end):
        start, end = offsets[position]
        if text[start:end].strip():
            return int(position)
    return None
