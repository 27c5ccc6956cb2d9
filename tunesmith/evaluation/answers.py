"""Models -> their answers to the same questions, from one engine for each base model.

Bases are loaded one after the other, so that comparing ten takes the memory of one; the adapters of
a base answer together in its batches.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tunesmith.errors import DatasetRejected, ModelRejected, NotEnoughMemory, RequestRejected
from tunesmith.evaluation.config import AnswerSettings
from tunesmith.evaluation.job import Contestant
from tunesmith.evaluation.questions import Question, filled_in
from tunesmith.modeling.answer import base_of, read_settings
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.load import load_engine
from tunesmith.serving.protocol import Finish, GenerationRequest, Sampling, Stream

OnProgress = Callable[[int, int], None]
"""Called with the answers that are there, and answers in all."""


@dataclass(frozen=True)
class Answer:
    """What a contestant said; `finish` is "length" where it was cut."""

    text: str
    num_prompt_tokens: int
    num_tokens: int
    finish: Finish


@dataclass(frozen=True)
class Asked:
    """A contestant and what it is asked."""

    contestant: Contestant
    questions: Sequence[Question]


def ask(
    everything: Sequence[Asked],
    settings: AnswerSettings,
    *,
    on_progress: OnProgress = lambda done, total: None,
) -> list[list[Answer]]:
    """The answers to all that is asked, in the order given.

    Question n of a contestant is answered with the seed `settings.seed + n`, whoever answers.

    Raises:
        ModelRejected: a model cannot be served, or has no chat template.
        NotEnoughMemory: a model does not fit.
        DatasetRejected: a question has no value for a template's variable, a chat template refuses
            it, or it is too long for a model.
    """
    total = sum(len(asked.questions) for asked in everything)
    answers: list[list[Answer]] = [[] for _ in everything]

    def base(index: int) -> Path:
        return base_of(Path(everything[index].contestant.folder)).resolve()

    for folder, group in groupby(sorted(range(len(everything)), key=base), key=base):
        indices = list(group)
        asked = [everything[index] for index in indices]
        for place, answer in _answers_on(folder, asked, settings):
            answers[indices[place]].append(answer)
            on_progress(sum(map(len, answers)), total)
        gc.collect()  # before the next base model needs the room
    return answers


def _answers_on(
    base: Path, everything: Sequence[Asked], settings: AnswerSettings
) -> Iterator[tuple[int, Answer]]:
    """What those say that share a base: their place in `everything`, and the next answer there."""
    engine = load_engine(
        base, EngineConfig(precision=settings.precision, answer_tokens=settings.max_tokens)
    )
    try:
        seats = [_seat(engine, asked.contestant, base=base) for asked in everything]
        submitted = [
            (place, *_submit(engine, seat, question, number, settings))
            for place, (seat, asked) in enumerate(zip(seats, everything, strict=True))
            for number, question in enumerate(asked.questions)
        ]
        for place, num_prompt_tokens, stream in submitted:
            yield place, _read(stream, num_prompt_tokens=num_prompt_tokens)
    finally:
        engine.close()


@dataclass(frozen=True)
class _Seat:
    """A contestant whose model is in the engine, as `adapter`, or "" for the base alone."""

    contestant: Contestant
    adapter: str
    system_prompt: str


def _seat(engine: TorchEngine, contestant: Contestant, *, base: Path) -> _Seat:
    folder = Path(contestant.folder).resolve()
    adapter = "" if folder == base else str(folder)
    if adapter and adapter not in engine.stats().adapters:
        try:
            engine.load_adapter(adapter, folder)
        except (ModelRejected, NotEnoughMemory) as error:
            raise type(error)(f"{contestant.label}: {error.message}", hint=error.hint) from error
    system_prompt = contestant.system_prompt
    if system_prompt is None:
        system_prompt = str(read_settings(folder).get("system_prompt", ""))
    return _Seat(contestant, adapter, system_prompt)


def _submit(
    engine: TorchEngine, seat: _Seat, question: Question, number: int, settings: AnswerSettings
) -> tuple[int, Stream]:
    """The length of the prompt in tokens, and its answer to come."""
    template = seat.contestant.template
    messages = (filled_in(question, template) if template else question).messages
    prompt = engine.codec.encode_prompt(messages, system_prompt=seat.system_prompt)
    sampling = Sampling(
        max_tokens=settings.max_tokens,
        temperature=settings.temperature,
        top_p=settings.top_p,
        seed=settings.seed + number,
    )
    try:
        stream = engine.submit(GenerationRequest(tuple(prompt), sampling, adapter=seat.adapter))
    except RequestRejected as error:
        raise DatasetRejected(
            f"prompt {number + 1} for {seat.contestant.label}: {error.message}", hint=error.hint
        ) from error
    return len(prompt), stream


def _read(stream: Stream, *, num_prompt_tokens: int) -> Answer:
    pieces = list(stream)
    text = "".join(piece.text for piece in pieces).strip()
    finish = pieces[-1].finish
    assert finish is not None  # a stream ends with it
    # The token that ends an answer is counted: it was computed too.
    return Answer(text, num_prompt_tokens, len(pieces), finish)
