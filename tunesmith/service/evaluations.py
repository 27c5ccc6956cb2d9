"""Evaluations: the table of models and scores, and what is behind a row of it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.evaluation.figures import Results, read_results
from tunesmith.evaluation.transcript import Exchange, read_exchanges
from tunesmith.service.job_views import JobView, view_jobs
from tunesmith.service.preparation import job_folder
from tunesmith.service.results import (
    find_ended,
    find_of_kind,
    finished_folder,
    read_report,
    result_folder,
)
from tunesmith.service.services import Services
from tunesmith.store.tables import Evaluation, Model

KIND = "evaluate"


@dataclass(frozen=True)
class EvaluationRow:
    """What an evaluation found of a model.

    Attributes:
        evaluation: the evaluation's id.
        label: what the model is called there.
        model: its id, RUN-ID@STEP, or a base model's name.
        name: NAME@VERSION of a registered model; of others, `model`.
        scores: by what was measured, such as `support/exact`.
        verdict: what it forgot in training, in a sentence; empty where that was not asked.
        created_at: when it was found.
    """

    evaluation: str
    label: str
    model: str
    name: str
    scores: dict[str, float]
    verdict: str
    created_at: datetime


@dataclass(frozen=True)
class EvaluationDetail:
    """An evaluation, and what it found once it has succeeded."""

    job: JobView
    results: Results | None


def list_rows(
    services: Services, tenant_id: str, *, model: str | None, after: int, limit: int
) -> tuple[list[EvaluationRow], bool]:
    """A page of the table, newest first, behind `after` rows that were seen; of `model`, or all."""
    mine = select(Evaluation).where(Evaluation.tenant_id == tenant_id)
    if model is not None:
        mine = mine.where(Evaluation.model == model)
    newest = mine.order_by(Evaluation.created_at.desc(), Evaluation.job_id.desc(), Evaluation.label)
    with services.database.reading() as db:
        rows = db.scalars(newest.offset(after).limit(limit + 1)).all()
        return _views(db, rows[:limit]), len(rows) > limit


def _views(db: Session, rows: Sequence[Evaluation]) -> list[EvaluationRow]:
    models = db.scalars(select(Model).where(Model.id.in_([row.model for row in rows])))
    names = {model.id: f"{model.name}@{model.version}" for model in models}
    return [
        EvaluationRow(
            evaluation=row.job_id,
            label=row.label,
            model=row.model,
            name=names.get(row.model, row.model),
            scores=row.scores,
            verdict=row.verdict,
            created_at=row.created_at,
        )
        for row in rows
    ]


def get_evaluation(services: Services, tenant_id: str, evaluation_id: str) -> EvaluationDetail:
    """An evaluation.

    Raises:
        NotFound: the tenant has no such evaluation.
    """
    with services.database.reading() as db:
        job = find_of_kind(db, tenant_id, evaluation_id, kind=KIND)
        [view] = view_jobs(services, db, [job])
    results = read_results(result_folder(services, job)) if job.status == "succeeded" else None
    return EvaluationDetail(view, results)


def list_exchanges(
    services: Services, tenant_id: str, evaluation_id: str, section: str, *, after: int, limit: int
) -> tuple[list[Exchange], bool]:
    """A page of what was asked in a section with all answers, and whether there are more.

    Raises:
        NotFound: the tenant has no such evaluation, or that no such section.
        Conflict: it has not succeeded.
    """
    with services.database.reading() as db:
        folder = finished_folder(services, db, tenant_id, evaluation_id, kind=KIND)
    names = [each.name for each in read_results(folder).sections]
    if section not in names:  # a name, so that no path is made of what was asked for
        raise NotFound(f"there is no section {section!r}", hint=f"there are: {', '.join(names)}")
    page = list(islice(read_exchanges(folder / section), after, after + limit + 1))
    return page[:limit], len(page) > limit


def report(services: Services, tenant_id: str, evaluation_id: str) -> str:
    """The evaluation as an HTML page.

    Raises:
        NotFound: the tenant has no such evaluation.
        Conflict: it has not succeeded.
    """
    return read_report(services, tenant_id, evaluation_id, kind=KIND)


def delete_evaluation(services: Services, tenant_id: str, evaluation_id: str) -> None:
    """Delete an evaluation with its rows; what it cost stays on record.

    Raises:
        NotFound: the tenant has no such evaluation.
        Conflict: it has not ended.
    """
    with services.database.transaction() as db:
        job = find_ended(db, tenant_id, evaluation_id, kind=KIND)
        db.execute(delete(Evaluation).where(Evaluation.job_id == job.id))
        job.removed_at = services.clock()
    shutil.rmtree(job_folder(services, job), ignore_errors=True)
