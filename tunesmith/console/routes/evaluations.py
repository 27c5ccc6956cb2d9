"""Evaluations: figures of models in one table."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias, get_args

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.console.choices import list_choices
from tunesmith.console.pages import go, page_router, render
from tunesmith.evaluation.config import DEFAULT_METRICS, MetricName
from tunesmith.schema import validate
from tunesmith.service import dataset_pages, evaluations, jobs
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import EvaluateRequest
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job

router = page_router()

_PAGE = 100
_MOST_JOBS = 5  # of which those without figures are shown over the table

After: TypeAlias = Annotated[int, Query(ge=0, le=2**31 - 1)]


@router.get("/evaluations")
def evaluations_page(
    request: Request, actor: Reader, services: ServicesDep, after: After = 0
) -> HTMLResponse:
    """The table of models and scores, and the form for more of it."""
    return render(
        request,
        "evaluations.html",
        actor=actor,
        choices=list_choices(services, actor.tenant_id),
        datasets=dataset_pages.newest_names(services, actor.tenant_id, most=_PAGE),
        metrics=get_args(MetricName),
        chosen_metrics=DEFAULT_METRICS,
        **_table(services, actor, after=after),
    )


@router.get("/evaluations/now")
def evaluations_now(
    request: Request, actor: Reader, services: ServicesDep, after: After = 0
) -> HTMLResponse:
    """The table, and what is on its way into it."""
    table = _table(services, actor, after=after)
    return render(request, "parts/evaluations.html", actor=actor, **table)


def _table(services: Services, actor: Actor, *, after: int) -> Mapping[str, Any]:
    rows, has_more = evaluations.list_rows(
        services, actor.tenant_id, model=None, after=after, limit=_PAGE
    )
    matching = jobs.JobFilter(kinds=[evaluations.KIND])
    newest, _ = jobs.list_jobs(
        services, actor.tenant_id, matching=matching, after=None, limit=_MOST_JOBS
    )
    return {
        "rows": rows,
        "columns": list(dict.fromkeys(name for row in rows for name in row.scores)),
        "after": after,
        "next_page": after + _PAGE if has_more else None,
        "evaluation_jobs": [job for job in newest if job.status not in ("succeeded", "cancelled")],
    }


class EvaluateForm(BaseModel):
    """What the form sends."""

    name: str = "evaluation"
    models: list[str] = []
    dataset: str | None = None
    limit: int = 100
    metrics: list[str] = []
    forgetting: bool = False

    def request(self) -> EvaluateRequest:
        """The job that it asks for.

        Raises:
            RecipeInvalid: a value is missing or out of its bounds.
        """
        values: dict[str, Any] = self.model_dump()
        values["models"] = [{"model": name} for name in self.models]
        return validate(EvaluateRequest, values, source=self.name)


@router.post("/evaluations")
def begin_evaluation(
    request: Request, actor: Runner, services: ServicesDep, form: Annotated[EvaluateForm, Form()]
) -> Response:
    """Queue an evaluation."""
    submit_job(services, form.request(), actor=actor)
    return go(request, "/evaluations")


@router.delete("/evaluations/{evaluation_id}")
def delete_evaluation(
    request: Request, evaluation_id: str, actor: Runner, services: ServicesDep
) -> Response:
    """Delete an evaluation with its rows."""
    evaluations.delete_evaluation(services, actor.tenant_id, evaluation_id)
    return go(request, "/evaluations")
