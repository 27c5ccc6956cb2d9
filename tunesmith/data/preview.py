"""Examples as the model will see them, token by token."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from tunesmith.data.dataset import open_version, read_examples
from tunesmith.data.job import PreviewJob
from tunesmith.errors import DatasetRejected
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


@dataclass(frozen=True)
class ExampleView:
    """One example as training sees it."""

    row: int
    tokens: list[TokenView]


def preview_dataset(job: PreviewJob) -> Iterator[ExampleView]:
    """The examples that `job` asks for, under its data settings.

    Raises:
        NotFound: the dataset's files are gone.
        ModelRejected: the base model cannot be used.
        DatasetRejected: the chat template refuses an example, or there is none from that row on.
    """
    codec, data = TextCodec.from_folder(Path(job.base)), job.data
    examples = read_examples(open_version(Path(job.dataset)))
    chosen = ((row, example) for row, example in examples if row >= job.first_row)
    shown = list(islice(chosen, job.limit))
    if not shown:
        raise DatasetRejected(
            f"the dataset has no example from row {job.first_row} on", hint="choose a smaller row"
        )
    for row, example in shown:
        try:
            tokens = preview_tokens(
                codec,
                example,
                max_length=data.max_length,
                system_prompt=data.system_prompt,
                train_on=data.train_on,
            )
        except DatasetRejected as error:
            raise DatasetRejected(f"row {row}: {error.message}", hint=error.hint) from error
        yield ExampleView(row, tokens)


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
