"""Models -> answers to the same prompts, and a score where there are references.

Models are loaded one after the other, so that comparing ten takes the memory of one.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from tunesmith.data.dataset import DatasetVersion, read_examples
from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.config import EvaluationConfig
from tunesmith.evaluation.metrics import METRICS
from tunesmith.modeling.answer import Sampling, load_chat_model
from tunesmith.schema import choose
from tunesmith.text.conversation import Conversation, Message

OnProgress = Callable[[str, int, int], None]
"""Called with the model's name, prompts answered, prompts in all."""


@dataclass(frozen=True)
class Question:
    """A conversation up to where the model answers, and the reference answer ("" without one)."""

    messages: tuple[Message, ...]
    reference: str = ""


@dataclass(frozen=True)
class Score:
    """One model's answers to all questions; `points[i]` is 1 where answer i is right."""

    model: str
    answers: tuple[str, ...]
    points: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Share of right answers."""
        return mean(self.points)


def questions_of(version: DatasetVersion, *, limit: int) -> list[Question]:
    """The first `limit` conversations of a dataset version, each cut before its last answer.

    Raises:
        DatasetRejected: the version has plain text only.
    """
    questions: list[Question] = []
    for _, example in read_examples(version):
        if isinstance(example, Conversation):
            last = max(
                i for i, message in enumerate(example.messages) if message.role == "assistant"
            )
            questions.append(Question(example.messages[:last], example.messages[last].content))
        if len(questions) == limit:
            break
    if not questions:
        raise DatasetRejected(f"dataset version {version.id} has no conversations to ask")
    return questions


def ask(
    models: Sequence[tuple[str, Path]],
    questions: Sequence[Question],
    *,
    sampling: Sampling,
    on_progress: OnProgress = lambda model, done, total: None,
) -> list[tuple[str, list[str]]]:
    """Every model's answers to all questions, in the order given.

    Raises:
        ModelRejected: a model cannot be loaded, or has no chat template.
        DatasetRejected: a chat template refuses a question.
    """
    results: list[tuple[str, list[str]]] = []
    for name, folder in models:
        chat = load_chat_model(folder)
        answers = chat.answer(
            [question.messages for question in questions],
            sampling=sampling,
            on_progress=lambda done, name=name: on_progress(name, done, len(questions)),
        )
        results.append((name, answers))
        del chat
        gc.collect()
    return results


def evaluate_models(
    models: Sequence[tuple[str, Path]],
    questions: Sequence[Question],
    config: EvaluationConfig,
    *,
    on_progress: OnProgress = lambda model, done, total: None,
) -> list[Score]:
    """Ask every model and score its answers.

    Raises:
        NotFound: there is no such metric.
        ModelRejected: a model cannot be loaded, or has no chat template.
        DatasetRejected: a chat template refuses a question.
    """
    metric = choose(METRICS, config.metric, what="metric")
    sampling = Sampling(max_new_tokens=config.max_new_tokens)
    scores: list[Score] = []
    for name, answers in ask(models, questions, sampling=sampling, on_progress=on_progress):
        points = [
            metric(a, question.reference) for a, question in zip(answers, questions, strict=True)
        ]
        scores.append(Score(name, tuple(answers), tuple(points)))
    return scores
