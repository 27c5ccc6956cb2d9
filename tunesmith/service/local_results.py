"""Comparisons and evaluations that were made on this machine: list, read, delete."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

from tunesmith.artifacts import read_manifest
from tunesmith.errors import Conflict, NotFound
from tunesmith.evaluation.figures import Results, read_results
from tunesmith.evaluation.job import CompareJob, EvaluateJob
from tunesmith.evaluation.report import REPORT
from tunesmith.evaluation.summary import Comparison, read_summary
from tunesmith.evaluation.transcript import Exchange, read_exchanges
from tunesmith.events import read_events
from tunesmith.jobs.folder import EVENTS, JOB
from tunesmith.jobs.spec import read_spec
from tunesmith.service import runs
from tunesmith.service.run_views import Status, status_of
from tunesmith.store.home import Home
from tunesmith.training.job import RESULT

ResultKind: TypeAlias = Literal["comparisons", "evaluations"]  # also a home's folder, an address


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


@dataclass(frozen=True)
class KeptEvaluation:
    """What an evaluation found; `kept` and `report` as of a comparison."""

    kept: str
    report: str
    results: Results


@dataclass(frozen=True)
class PastComparison:
    """A comparison as lists show it; only a server has votes."""

    id: str
    status: Status
    models: list[str]
    dataset: str | None
    num_votes: int
    created_at: datetime


@dataclass(frozen=True)
class PastEvaluation:
    """An evaluation as lists show it; `scores` of each model, none before it has succeeded."""

    id: str
    status: Status
    scores: Mapping[str, Mapping[str, float]]
    created_at: datetime


def list_comparisons(home: Home) -> list[PastComparison]:
    """All comparisons, newest first."""
    return [_past_comparison(folder) for folder in _folders(home, "comparisons")]


def list_evaluations(home: Home) -> list[PastEvaluation]:
    """All evaluations, newest first."""
    return [_past_evaluation(folder) for folder in _folders(home, "evaluations")]


def read_comparison(home: Home, comparison_id: str) -> KeptComparison:
    """A comparison with all answers.

    Raises:
        NotFound: there is no such comparison.
        Conflict: it was not finished.
    """
    return kept_comparison(_find_finished(home, "comparisons", comparison_id))


def read_evaluation(home: Home, evaluation_id: str) -> KeptEvaluation:
    """What an evaluation found.

    Raises:
        NotFound: there is no such evaluation.
        Conflict: it was not finished.
    """
    return kept_evaluation(_find_finished(home, "evaluations", evaluation_id))


def find_report(home: Home, kind: ResultKind, result_id: str) -> Path:
    """The page of a comparison or an evaluation.

    Raises:
        NotFound: there is none of that id.
        Conflict: it was not finished.
    """
    return _find_finished(home, kind, result_id) / RESULT / REPORT


def delete_result(home: Home, kind: ResultKind, result_id: str) -> None:
    """Delete a comparison or an evaluation.

    Raises:
        NotFound: there is none of that id.
        Conflict: it is at work.
    """
    folder = _find(home, kind, result_id)
    if _status(folder) == "running":
        raise Conflict(f"{result_id} is running", hint="stop it first")
    shutil.rmtree(folder)


def kept_comparison(folder: Path) -> KeptComparison:
    """The comparison that was finished in `folder`."""
    result = folder / RESULT
    return KeptComparison(
        folder.name, str(result / REPORT), read_summary(result), list(read_exchanges(result))
    )


def kept_evaluation(folder: Path) -> KeptEvaluation:
    """The evaluation that was finished in `folder`."""
    result = folder / RESULT
    return KeptEvaluation(folder.name, str(result / REPORT), read_results(result))


def _folders(home: Home, kind: ResultKind) -> list[Path]:
    """The newest first."""
    jobs = (home.folder / kind).glob(f"*/{JOB}")
    return sorted((path.parent for path in jobs), reverse=True)


def _find(home: Home, kind: ResultKind, result_id: str) -> Path:
    found = next((each for each in _folders(home, kind) if each.name == result_id), None)
    if found is None:
        called = kind.removesuffix("s")
        raise NotFound(f"there is no {called} {result_id!r}", hint=f"tunesmith {kind} list")
    return found


def _find_finished(home: Home, kind: ResultKind, result_id: str) -> Path:
    folder = _find(home, kind, result_id)
    if not _is_finished(folder):
        raise Conflict(f"{result_id} is {_status(folder)}", hint="there are no answers")
    return folder


def _past_comparison(folder: Path) -> PastComparison:
    job = read_spec(folder)
    assert isinstance(job, CompareJob)
    return PastComparison(
        id=folder.name,
        status=_status(folder),
        models=[each.label for each in job.contestants],
        dataset=None if job.dataset is None else job.dataset.reference,
        num_votes=0,
        created_at=_created_at(folder),
    )


def _past_evaluation(folder: Path) -> PastEvaluation:
    job = read_spec(folder)
    assert isinstance(job, EvaluateJob)
    figures = read_results(folder / RESULT).figures if _is_finished(folder) else ()
    scores: dict[str, Mapping[str, float]] = {each.label: {} for each in job.contestants}
    return PastEvaluation(
        id=folder.name,
        status=_status(folder),
        scores=scores | {each.label: each.scores for each in figures},
        created_at=_created_at(folder),
    )


def _is_finished(folder: Path) -> bool:
    return read_manifest(folder / RESULT) is not None


def _status(folder: Path) -> Status:
    return status_of(folder, list(read_events(folder / EVENTS)))


def _created_at(folder: Path) -> datetime:
    time, _, _ = folder.name.rpartition("-")
    return datetime.strptime(time, runs.ID_TIME).replace(tzinfo=UTC)
