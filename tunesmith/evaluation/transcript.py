"""Questions with all answers and their points, as they are kept: `answers.jsonl`. Torch-free."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.errors import NotFound
from tunesmith.evaluation.config import MetricName
from tunesmith.evaluation.metrics import METRICS
from tunesmith.evaluation.questions import Question
from tunesmith.schema import as_json

ANSWERS = "answers.jsonl"


@dataclass(frozen=True)
class Said:
    """One contestant's answer to a question.

    Attributes:
        text: what it said.
        num_prompt_tokens: what it read.
        num_tokens: what it wrote.
        is_cut: whether it was cut at the longest answer allowed.
        points: by metric, 0 to 1; empty without a reference.
    """

    text: str
    num_prompt_tokens: int
    num_tokens: int
    is_cut: bool
    points: Mapping[str, float]


@dataclass(frozen=True)
class Exchange:
    """A question, numbered from 1, and what each contestant said, in their order."""

    number: int
    messages: Sequence[Mapping[str, Any]]
    reference: str | None
    answers: Sequence[Said]


@dataclass(frozen=True)
class Total:
    """What all answers of a contestant come to; `scores` by metric, 0 to 1."""

    label: str
    scores: Mapping[str, float]
    num_prompt_tokens: int
    num_tokens: int
    num_cut: int


def points_of(text: str, reference: str | None, metrics: Sequence[MetricName]) -> dict[str, float]:
    """The points of an answer by metric; none without a reference.

    Raises:
        DatasetRejected: the reference is not what a metric needs.
    """
    if reference is None:
        return {}
    return {name: METRICS[name].one(text, reference) for name in metrics}


def exchange_of(number: int, question: Question, answers: Sequence[Said]) -> Exchange:
    """What is kept of a question and its answers."""
    messages = [
        {key: value for key, value in as_json(message).items() if value or key == "content"}
        for message in question.messages
    ]
    return Exchange(number, messages, question.reference, answers)


def totals_of(
    labels: Sequence[str], exchanges: Sequence[Exchange], metrics: Sequence[MetricName]
) -> list[Total]:
    """What the answers of each contestant come to."""
    return [
        _total(label, exchanges, [each.answers[index] for each in exchanges], metrics)
        for index, label in enumerate(labels)
    ]


def _total(
    label: str, exchanges: Sequence[Exchange], said: Sequence[Said], metrics: Sequence[MetricName]
) -> Total:
    known = [
        (answer, exchange.reference)
        for answer, exchange in zip(said, exchanges, strict=True)
        if exchange.reference is not None
    ]
    texts, references = [answer.text for answer, _ in known], [reference for _, reference in known]
    scores = {
        name: METRICS[name].total(texts, references, [answer.points[name] for answer, _ in known])
        for name in metrics
        if known
    }
    return Total(
        label=label,
        scores=scores,
        num_prompt_tokens=sum(answer.num_prompt_tokens for answer in said),
        num_tokens=sum(answer.num_tokens for answer in said),
        num_cut=sum(answer.is_cut for answer in said),
    )


# --- as a file -------------------------------------------------------------------------------


def write_exchanges(exchanges: Sequence[Exchange], folder: Path) -> None:
    """Write a line for every question into `folder`."""
    with (folder / ANSWERS).open("w", encoding="utf-8") as file:
        for exchange in exchanges:
            file.write(json.dumps(as_json(exchange), ensure_ascii=False) + "\n")


def read_exchanges(folder: Path) -> Iterator[Exchange]:
    """The questions and answers of a comparison's folder.

    Raises:
        NotFound: its files are gone.
    """
    try:
        file = (folder / ANSWERS).open(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotFound("the answers of this comparison are gone") from error
    with file:
        for line in file:
            row = json.loads(line)
            yield Exchange(**{**row, "answers": [Said(**each) for each in row["answers"]]})
