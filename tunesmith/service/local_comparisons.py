"""Comparing and evaluating models on this machine, each as a job in a folder of its own."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tunesmith.artifacts import write_json
from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.config import AnswerSettings, MetricName
from tunesmith.evaluation.job import CompareJob, Contestant, EvaluateJob
from tunesmith.evaluation.questions import read_prompts
from tunesmith.evaluation.tasks import check_sections, read_task
from tunesmith.evaluation.templates import check_template
from tunesmith.events import Emit
from tunesmith.jobs.folder import JOB
from tunesmith.schema import read_text
from tunesmith.service import engine, runs
from tunesmith.service.local_results import (
    KeptComparison,
    KeptEvaluation,
    ResultKind,
    kept_comparison,
    kept_evaluation,
)
from tunesmith.store.home import Home

Say = Callable[[str], None]


@dataclass(frozen=True)
class CompareWish:
    """Models, what they are asked and how.

    Attributes:
        models: by the names that people give.
        prompts: a file of prompts, or None where a dataset's are asked.
        dataset: whose conversations are asked otherwise.
        limit: the first so many.
        system_prompt: for all; None leaves each the one it was trained with.
        templates: each model is asked with each of them, if there are any.
        answers: how all answer.
        metrics: what is measured where there are references.
    """

    models: list[str]
    prompts: Path | None
    dataset: str | None
    limit: int | None
    system_prompt: str | None
    templates: list[str]
    answers: AnswerSettings
    metrics: list[MetricName]

    def check(self) -> None:
        """Refuse what asks nothing, or two things.

        Raises:
            DatasetRejected: there are no prompts and no dataset, or both.
        """
        if (self.prompts is None) == (self.dataset is None):
            raise DatasetRejected("give either --prompts FILE or --dataset NAME")


@dataclass(frozen=True)
class EvaluateWish:
    """Models and what is measured of them.

    Attributes:
        models: by the names that people give.
        dataset: whose answers are asked for and foretold.
        limit: of its examples, the first so many.
        metrics: what is measured on answers to it.
        tasks: files of questions with answers.
        harness: folders of lm-evaluation-harness tasks.
        forgetting: whether general knowledge is compared with that of the base models.
        answers: how all answer.
    """

    models: list[str]
    dataset: str | None
    limit: int
    metrics: list[MetricName]
    tasks: list[Path]
    harness: list[Path]
    forgetting: bool
    answers: AnswerSettings


def compare(
    home: Home, wish: CompareWish, *, now: datetime, listener: Emit, say: Say
) -> KeptComparison:
    """Ask all models the prompts of a file, or the conversations of a dataset.

    Its templates are files in which `{{prompt}}` stands for the prompt.

    Raises:
        NotFound: a file, the dataset or a model does not exist.
        DatasetRejected: there is nothing to ask, or a question cannot be put to a model.
        RecipeInvalid: a file is not UTF-8 text, a line is no prompt, or a template has none.
        ModelRejected: a model cannot be served, or has no chat template.
        FetchFailed: a model is not here yet and could not be fetched.
        NotEnoughResources: memory or disk are too small.
    """
    wish.check()
    contestants = _contestants(home, wish.models, system_prompt=wish.system_prompt, say=say)
    if wish.templates:
        texts = {Path(each).stem: _read_template(Path(each)) for each in wish.templates}
        contestants = [
            each.model_copy(update={"label": f"{each.label} {name}", "template": text})
            for each in contestants
            for name, text in texts.items()
        ]
    job = CompareJob(
        contestants=contestants,
        prompts=read_prompts(wish.prompts) if wish.prompts is not None else [],
        dataset=runs.pin_dataset(home, wish.dataset) if wish.dataset is not None else None,
        limit=wish.limit,
        answers=wish.answers,
        metrics=wish.metrics,
    )
    return kept_comparison(_run(home, "comparisons", job, now=now, listener=listener))


def _read_template(path: Path) -> str:
    text = read_text(path).strip()
    check_template(text, source=str(path))
    return text


def evaluate(
    home: Home, wish: EvaluateWish, *, now: datetime, listener: Emit, say: Say
) -> KeptEvaluation:
    """Measure models on a dataset, on task files, and on what they knew before.

    Raises:
        NotFound: the dataset, a model or a file does not exist.
        DatasetRejected: there is nothing to measure, or a question cannot be put to a model.
        RecipeInvalid: a task file is wrong, or lm-evaluation-harness is not installed.
        ModelRejected: a model cannot be served, or has no chat template.
        FetchFailed: a model is not here yet and could not be fetched.
        NotEnoughResources: memory or disk are too small.
    """
    tasks = [read_task(path) for path in wish.tasks]
    if not wish.harness:
        check_sections(wish.dataset, tasks, forgetting=wish.forgetting)
    job = EvaluateJob(
        contestants=_contestants(home, wish.models, system_prompt=None, say=say),
        dataset=runs.pin_dataset(home, wish.dataset) if wish.dataset is not None else None,
        limit=wish.limit,
        metrics=wish.metrics,
        tasks=tasks,
        harness=[str(folder.resolve()) for folder in wish.harness],
        forgetting=wish.forgetting,
        answers=wish.answers,
    )
    return kept_evaluation(_run(home, "evaluations", job, now=now, listener=listener))


def _run(
    home: Home, kind: ResultKind, job: CompareJob | EvaluateJob, *, now: datetime, listener: Emit
) -> Path:
    """The new folder among those of its kind in which `job` was done."""
    folder = home.folder / kind / f"{now:{runs.ID_TIME}}-{secrets.token_hex(3)}"
    folder.mkdir(parents=True)
    write_json(folder / JOB, job.model_dump(mode="json"))
    engine.load().run_job(folder, listener=listener)
    return folder


def _contestants(
    home: Home, models: Sequence[str], *, system_prompt: str | None, say: Say
) -> list[Contestant]:
    """Models by the names people give, each once."""
    return [
        _contestant(home, reference, system_prompt=system_prompt, say=say)
        for reference in dict.fromkeys(models)
    ]


def _contestant(home: Home, reference: str, *, system_prompt: str | None, say: Say) -> Contestant:
    label, folder = runs.find_chat_folder(home, reference, say=say)
    if system_prompt is None and folder.name == "weights":  # of a checkpoint
        system_prompt = runs.system_prompt_of(folder.parents[2])
    return Contestant(label=label, model=reference, folder=str(folder), system_prompt=system_prompt)
