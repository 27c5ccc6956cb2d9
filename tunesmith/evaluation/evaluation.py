"""The stage `evaluate`: models in, a row of figures for each out, with all answers behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from tunesmith.artifacts import Manifest, commit_folder, write_json
from tunesmith.data.dataset import open_version, read_some_examples
from tunesmith.evaluation.answers import Asked, ask
from tunesmith.evaluation.comparison import exchanges_of
from tunesmith.evaluation.config import MetricName
from tunesmith.evaluation.figures import FIGURES, Figures, Results, SectionNote
from tunesmith.evaluation.forgetting import (
    Forgetting,
    general_task,
    general_texts,
    judge,
    knowledge_in,
)
from tunesmith.evaluation.harness import check_installed, run_harness
from tunesmith.evaluation.job import Contestant, EvaluateJob
from tunesmith.evaluation.perplexity import losses, total_of
from tunesmith.evaluation.questions import Question, questions_of
from tunesmith.evaluation.report import REPORT, evaluation_page
from tunesmith.evaluation.tasks import GENERAL, Task
from tunesmith.evaluation.transcript import Exchange, totals_of, write_exchanges
from tunesmith.events import Emit, PhaseStarted, counting
from tunesmith.modeling.answer import read_settings
from tunesmith.schema import as_json
from tunesmith.text.conversation import Example

Scores: TypeAlias = dict[str, dict[str, float]]
"""By label, then by what was measured."""


@dataclass(frozen=True)
class Section:
    """Some of what is asked, and who is asked it."""

    name: str
    contestants: Sequence[Contestant]
    questions: Sequence[Question]
    metrics: Sequence[MetricName]

    @property
    def labels(self) -> list[str]:
        """Who answers, in order."""
        return [each.label for each in self.contestants]


def run_evaluation(job: EvaluateJob, into: Path, *, emit: Emit) -> tuple[Manifest, Results]:
    """Measure all that is asked for, and commit `into`.

    Raises:
        ModelRejected: a model cannot be loaded or served, or has no chat template.
        NotEnoughMemory: a model does not fit.
        DatasetRejected: a question cannot be put to a model.
        RecipeInvalid: lm-evaluation-harness is not installed, or finds no task in a folder.
    """
    if job.harness:
        check_installed()
    bases = _bases(job.contestants) if job.forgetting else {}
    everyone = list({each.label: each for each in (*job.contestants, *bases.values())}.values())
    sections = _sections(job, everyone)
    exchanges = _ask(job, sections, emit=emit)
    scores: Scores = {each.label: {} for each in everyone}
    _add_scores_of_answers(scores, sections, exchanges)
    _add_perplexities(scores, job, everyone, emit=emit)
    _add_harness(scores, job, emit=emit)
    results = Results(
        dataset=job.dataset.reference if job.dataset else None,
        answers=job.answers,
        sections=[SectionNote(each.name, each.labels, len(each.questions)) for each in sections],
        figures=[
            Figures(
                each.label,
                each.model,
                scores[each.label],
                _forgetting(each, bases.get(each.label), scores),
            )
            for each in job.contestants
        ],
    )
    lineage = {
        "models": [each.model for each in job.contestants],
        "dataset": job.dataset.version if job.dataset else None,
        "seed": job.answers.seed,
    }
    by_section = dict(zip((each.name for each in sections), exchanges, strict=True))
    return write_evaluation(into, results, by_section, lineage=lineage), results


def write_evaluation(
    into: Path,
    results: Results,
    exchanges: Mapping[str, Sequence[Exchange]],
    *,
    lineage: dict[str, object],
) -> Manifest:
    """Commit the figures, the answers behind them by section, and a page to read."""

    def write(folder: Path) -> None:
        write_json(folder / FIGURES, as_json(results))
        for section, asked in exchanges.items():
            (folder / section).mkdir()
            write_exchanges(asked, folder / section)
        (folder / REPORT).write_text(evaluation_page(results), "utf-8")

    return commit_folder(into, kind="evaluation", write=write, lineage=lineage)


# --- answers ---------------------------------------------------------------------------------


def _sections(job: EvaluateJob, everyone: Sequence[Contestant]) -> list[Section]:
    sections = [_section(task, job.contestants) for task in job.tasks]
    if job.dataset is not None:
        questions = questions_of(open_version(Path(job.dataset.folder)), limit=job.limit)
        if questions:  # plain text has none; its perplexity is measured all the same
            of_dataset = Section(job.dataset.reference, job.contestants, questions, job.metrics)
            sections.insert(0, of_dataset)
    if job.forgetting:
        # Without templates: what differs between before and after are the weights alone.
        plain = [each.model_copy(update={"template": ""}) for each in everyone]
        sections.append(_section(general_task(), plain))
    return sections


def _section(task: Task, contestants: Sequence[Contestant]) -> Section:
    if task.system_prompt is not None:
        instead = {"system_prompt": task.system_prompt}
        contestants = [each.model_copy(update=instead) for each in contestants]
    questions = [Question.of(prompt) for prompt in task.prompts]
    return Section(task.name, contestants, questions, task.metrics)


def _ask(job: EvaluateJob, sections: Sequence[Section], *, emit: Emit) -> list[list[Exchange]]:
    """The answers of all sections, for which every base model is loaded once."""
    emit(PhaseStarted(phase="answering", detail=", ".join(each.name for each in sections)))
    everything = [
        Asked(contestant, section.questions)
        for section in sections
        for contestant in section.contestants
    ]
    answers = iter(ask(everything, job.answers, on_progress=counting(emit, unit="answers")))
    return [
        exchanges_of(
            section.questions, [next(answers) for _ in section.contestants], section.metrics
        )
        for section in sections
    ]


def _add_scores_of_answers(
    scores: Scores, sections: Sequence[Section], exchanges: Sequence[Sequence[Exchange]]
) -> None:
    for section, asked in zip(sections, exchanges, strict=True):
        for total in totals_of(section.labels, asked, section.metrics):
            scores[total.label] |= {f"{section.name}/{k}": v for k, v in total.scores.items()}


# --- perplexity and other people's tasks -----------------------------------------------------


def _add_perplexities(
    scores: Scores, job: EvaluateJob, everyone: Sequence[Contestant], *, emit: Emit
) -> None:
    general = general_texts() if job.forgetting else {}
    of_dataset: dict[str, Sequence[Example]] = {}
    if job.dataset is not None:
        examples = _examples(Path(job.dataset.folder), limit=job.limit)
        of_dataset[job.dataset.reference] = examples
    for each in everyone if general or of_dataset else ():
        emit(PhaseStarted(phase="measuring perplexity", detail=each.label))
        texts = {f"{GENERAL}-{language}": passages for language, passages in general.items()}
        asked = {**(of_dataset if each in job.contestants else {}), **texts}
        found = losses(
            Path(each.folder),
            asked,
            system_prompt=each.system_prompt,
            precision=job.answers.precision,
        )
        if general:
            found[GENERAL] = total_of(found[name] for name in texts)
        scores[each.label] |= {
            f"{name}/perplexity": loss.perplexity for name, loss in found.items()
        }


def _examples(dataset: Path, *, limit: int | None) -> list[Example]:
    version = open_version(dataset)
    found = read_some_examples(version, skip=0, limit=limit or version.num_examples)
    return [example for _, example in found]


def _add_harness(scores: Scores, job: EvaluateJob, *, emit: Emit) -> None:
    for each in job.contestants if job.harness else ():
        emit(PhaseStarted(phase="lm-evaluation-harness", detail=each.label))
        tasks = [Path(folder) for folder in job.harness]
        scores[each.label] |= run_harness(Path(each.folder), tasks)


# --- before and after ------------------------------------------------------------------------


def _bases(contestants: Sequence[Contestant]) -> dict[str, Contestant]:
    """By the label of who was trained: the base model it was trained from, asked as it is."""
    known = {each.folder: each for each in contestants}
    bases: dict[str, Contestant] = {}
    for each in contestants:
        base = read_settings(Path(each.folder)).get("base")
        if base is None:
            continue
        reference, folder = base["reference"], base["folder"]
        is_taken = any(other.label == reference for other in known.values())
        asked = Contestant(
            label=f"{reference} (base)" if is_taken else reference,
            model=reference,
            folder=folder,
            system_prompt="",
        )
        bases[each.label] = known.setdefault(folder, asked)
    return bases


def _forgetting(
    contestant: Contestant, base: Contestant | None, scores: Scores
) -> Forgetting | None:
    if base is None:
        return None
    before, after = (knowledge_in(scores[each.label]) for each in (base, contestant))
    return judge(base.model, before, after)
