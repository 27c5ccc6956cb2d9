"""Comparing and evaluating models on this machine, each as a job in a folder of its own."""

import secrets
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tunesmith.artifacts import read_manifest, write_json
from tunesmith.errors import Conflict, DatasetRejected, NotFound
from tunesmith.evaluation.config import AnswerSettings, MetricName
from tunesmith.evaluation.figures import Results, read_results
from tunesmith.evaluation.job import CompareJob, Contestant, EvaluateJob
from tunesmith.evaluation.questions import read_prompts
from tunesmith.evaluation.report import REPORT
from tunesmith.evaluation.summary import Comparison, read_summary
from tunesmith.evaluation.tasks import check_sections, read_task
from tunesmith.evaluation.templates import check_template
from tunesmith.evaluation.transcript import Exchange, read_exchanges
from tunesmith.events import Emit, read_events
from tunesmith.jobs.folder import EVENTS, JOB
from tunesmith.jobs.spec import read_spec
from tunesmith.schema import read_text
from tunesmith.service import engine, runs
from tunesmith.service.run_views import Status, status_of
from tunesmith.store.home import Home
from tunesmith.training.job import RESULT

Say = Callable[[str], None]

_COMPARISONS, _EVALUATIONS = "comparisons", "evaluations"  # folders of a home


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


@dataclass(frozen=True)
class KeptComparison:
    """A comparison with all answers.

    Attributes:
        kept: its id.
        report: where people read it.
    """

    kept: str
    report: str
    summary: Comparison
    exchanges: Sequence[Exchange]


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
    return _kept_comparison(_run(home, _COMPARISONS, job, now=now, listener=listener))


def _read_template(path: Path) -> str:
    text = read_text(path).strip()
    check_template(text, source=str(path))
    return text


def _kept_comparison(folder: Path) -> KeptComparison:
    result = folder / RESULT
    return KeptComparison(
        folder.name, str(result / REPORT), read_summary(result), list(read_exchanges(result))
    )


@dataclass(frozen=True)
class KeptEvaluation:
    """What an evaluation found; `kept` and `report` as of a comparison."""

    kept: str
    report: str
    results: Results


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
    folder = _run(home, _EVALUATIONS, job, now=now, listener=listener)
    result = folder / RESULT
    return KeptEvaluation(folder.name, str(result / REPORT), read_results(result))


def _run(
    home: Home, kind: str, job: CompareJob | EvaluateJob, *, now: datetime, listener: Emit
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


# --- past comparisons ------------------------------------------------------------------------


@dataclass(frozen=True)
class PastComparison:
    """A comparison as lists show it; only a server has votes."""

    id: str
    status: Status
    models: list[str]
    dataset: str | None
    num_votes: int
    created_at: datetime


def list_comparisons(home: Home) -> list[PastComparison]:
    """All comparisons, newest first."""
    return [_past(folder) for folder in _folders(home)]


def read_comparison(home: Home, comparison_id: str) -> KeptComparison:
    """A comparison with all answers.

    Raises:
        NotFound: there is no such comparison.
        Conflict: it was not finished.
    """
    folder = _find(home, comparison_id)
    if read_manifest(folder / RESULT) is None:
        status = _past(folder).status
        raise Conflict(f"{comparison_id} is {status}", hint="there are no answers")
    return _kept_comparison(folder)


def delete_comparison(home: Home, comparison_id: str) -> None:
    """Delete a comparison.

    Raises:
        NotFound: there is no such comparison.
        Conflict: it is at work.
    """
    folder = _find(home, comparison_id)
    if _past(folder).status == "running":
        raise Conflict(f"{comparison_id} is running", hint="stop it first")
    shutil.rmtree(folder)


def _folders(home: Home) -> list[Path]:
    """The newest first."""
    jobs = (home.folder / _COMPARISONS).glob(f"*/{JOB}")
    return sorted((path.parent for path in jobs), reverse=True)


def _find(home: Home, comparison_id: str) -> Path:
    found = next((each for each in _folders(home) if each.name == comparison_id), None)
    if found is None:
        raise NotFound(
            f"there is no comparison {comparison_id!r}", hint="tunesmith comparisons list"
        )
    return found


def _past(folder: Path) -> PastComparison:
    job = read_spec(folder)
    assert isinstance(job, CompareJob)
    time, _, _ = folder.name.rpartition("-")
    return PastComparison(
        id=folder.name,
        status=status_of(folder, list(read_events(folder / EVENTS))),
        models=[each.label for each in job.contestants],
        dataset=None if job.dataset is None else job.dataset.reference,
        num_votes=0,
        created_at=datetime.strptime(time, runs.ID_TIME).replace(tzinfo=UTC),
    )
