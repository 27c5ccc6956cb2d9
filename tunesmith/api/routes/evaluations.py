"""Evaluations: figures of models, in one table.

An evaluation is begun and steered as a job (`/jobs`, kind `evaluate`); its id is the job's.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse, Response

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.api.paging import AfterNumber, Limit, Page
from tunesmith.api.reports import REPORT_RESPONSE, report_file
from tunesmith.evaluation.transcript import Exchange
from tunesmith.service import evaluations
from tunesmith.service.evaluations import EvaluationDetail, EvaluationRow

router = APIRouter(tags=["evaluations"], prefix="/evaluations")


@router.get("")
def list_evaluations(
    actor: Reader,
    services: ServicesDep,
    model: Annotated[
        str | None, Query(description="only of this model, by its id", max_length=400)
    ] = None,
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[EvaluationRow]:
    """The table of models and scores: a row for each model that was evaluated, newest first."""
    data, has_more = evaluations.list_rows(
        services, actor.tenant_id, model=model, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{evaluation_id}")
def get_evaluation(evaluation_id: str, actor: Reader, services: ServicesDep) -> EvaluationDetail:
    """An evaluation with all its figures; `results` is null until it has succeeded."""
    return evaluations.get_evaluation(services, actor.tenant_id, evaluation_id)


@router.get("/{evaluation_id}/answers")
def list_evaluation_answers(
    evaluation_id: str,
    actor: Reader,
    services: ServicesDep,
    section: Annotated[str, Query(description="the dataset, a task, or general", max_length=200)],
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[Exchange]:
    """What was asked in a section with every answer, in the order of the section's labels."""
    data, has_more = evaluations.list_exchanges(
        services, actor.tenant_id, evaluation_id, section, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{evaluation_id}/report", response_class=Response, responses=REPORT_RESPONSE)
def get_evaluation_report(evaluation_id: str, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The evaluation as one HTML file."""
    page = evaluations.report(services, actor.tenant_id, evaluation_id)
    return report_file(page, name=evaluation_id)


@router.delete("/{evaluation_id}", status_code=204)
def delete_evaluation(evaluation_id: str, actor: Runner, services: ServicesDep) -> None:
    """Delete an evaluation with its rows of the table; what it cost stays on record."""
    evaluations.delete_evaluation(services, actor.tenant_id, evaluation_id)
