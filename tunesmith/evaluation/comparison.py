"""The stage `compare`: contestants and questions in, a folder with all answers and figures out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tunesmith.artifacts import Manifest, commit_folder, write_json
from tunesmith.data.dataset import open_version
from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.answers import Answer, Asked, ask
from tunesmith.evaluation.config import MetricName
from tunesmith.evaluation.job import CompareJob
from tunesmith.evaluation.questions import Question, questions_of
from tunesmith.evaluation.report import REPORT, comparison_page
from tunesmith.evaluation.summary import SUMMARY, Comparison, Entrant
from tunesmith.evaluation.transcript import (
    Exchange,
    Said,
    exchange_of,
    points_of,
    totals_of,
    write_exchanges,
)
from tunesmith.events import Emit, PhaseStarted, counting
from tunesmith.schema import as_json


def run_comparison(job: CompareJob, into: Path, *, emit: Emit) -> tuple[Manifest, Comparison]:
    """Ask, compare with references, and commit `into`.

    Raises:
        ModelRejected: a model cannot be served, or has no chat template.
        NotEnoughMemory: a model does not fit.
        DatasetRejected: there is nothing to ask, or a question cannot be put to a model.
    """
    questions = _questions(job)
    exchanges = _ask(job, questions, emit=emit)
    labels = [each.label for each in job.contestants]
    comparison = Comparison(
        contestants=[Entrant.of(each) for each in job.contestants],
        dataset=job.dataset.reference if job.dataset else None,
        num_prompts=len(questions),
        answers=job.answers,
        totals=totals_of(labels, exchanges, job.metrics),
    )
    lineage = {
        "models": [each.model for each in job.contestants],
        "dataset": job.dataset.version if job.dataset else None,
        "seed": job.answers.seed,
    }
    return write_comparison(into, comparison, exchanges, lineage=lineage), comparison


def write_comparison(
    into: Path, comparison: Comparison, exchanges: Sequence[Exchange], *, lineage: dict[str, Any]
) -> Manifest:
    """Commit a comparison with all answers and a page to read."""

    def write(folder: Path) -> None:
        write_json(folder / SUMMARY, as_json(comparison))
        write_exchanges(exchanges, folder)
        (folder / REPORT).write_text(comparison_page(comparison, exchanges), "utf-8")

    return commit_folder(into, kind="comparison", write=write, lineage=lineage)


def _questions(job: CompareJob) -> list[Question]:
    if job.dataset is None:
        questions = [Question.of(prompt) for prompt in job.prompts[: job.limit]]
    else:
        questions = questions_of(open_version(Path(job.dataset.folder)), limit=job.limit)
    if not questions:
        raise DatasetRejected(
            "there is nothing to ask", hint="give prompts, or a dataset of conversations"
        )
    return questions


def _ask(job: CompareJob, questions: Sequence[Question], *, emit: Emit) -> list[Exchange]:
    emit(PhaseStarted(phase="answering", detail=f"{len(questions)} prompts"))
    asked = [Asked(contestant, questions) for contestant in job.contestants]
    answers = ask(asked, job.answers, on_progress=counting(emit, unit="answers"))
    return exchanges_of(questions, answers, job.metrics)


def exchanges_of(
    questions: Sequence[Question],
    answers: Sequence[Sequence[Answer]],
    metrics: Sequence[MetricName],
) -> list[Exchange]:
    """Questions with the answers of every contestant and their points.

    Raises:
        DatasetRejected: a reference is not what a metric needs.
    """
    return [
        exchange_of(
            number, question, [_said(answer, question.reference, metrics) for answer in given]
        )
        for number, (question, given) in enumerate(
            zip(questions, zip(*answers, strict=True), strict=True), 1
        )
    ]


def _said(answer: Answer, reference: str | None, metrics: Sequence[MetricName]) -> Said:
    return Said(
        text=answer.text,
        num_prompt_tokens=answer.num_prompt_tokens,
        num_tokens=answer.num_tokens,
        is_cut=answer.finish == "length",
        points=points_of(answer.text, reference, metrics),
    )
