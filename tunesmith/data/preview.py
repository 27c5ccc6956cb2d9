"""One example as the model will see it, token by token."""

from dataclasses import dataclass

import numpy as np

from tunesmith.text.codec import TextCodec, TrainOn
from tunesmith.text.conversation import Example
from tunesmith.text.encoded import ROLES


@dataclass(frozen=True)
class TokenView:
    """One token.

    Attributes:
        id: its number in the vocabulary.
        text: its characters. Where several tokens share a character, the first has it and the
            others are empty, so that the texts of all tokens together are the whole text.
        role: whose text it is, one of `ROLES`.
        trained: whether the loss counts it.
        cut: whether truncation takes it away.
    """

    id: int
    text: str
    role: str
    trained: bool
    cut: bool


def preview_tokens(
    codec: TextCodec,
    example: Example,
    *,
    max_length: int,
    system_prompt: str = "",
    train_on: TrainOn = "answers",
) -> list[TokenView]:
    """Show `example` as training sees it.

    Raises:
        DatasetRejected: as `TextCodec.encode_many`.
        ModelRejected: as `TextCodec.encode_many`.
    """
    encoded = codec.encode(example, system_prompt=system_prompt, train_on=train_on)
    stops = np.maximum.accumulate(encoded.char_ends).tolist()
    starts = [0, *stops[:-1]]
    return [
        TokenView(
            id=int(encoded.token_ids[position]),
            text=encoded.text[start:stop],
            role=ROLES[int(encoded.roles[position])],
            trained=bool(encoded.trained[position]) and position < max_length,
            cut=position >= max_length,
        )
        for position, (start, stop) in enumerate(zip(starts, stops, strict=True))
    ]
