"""Runs: the list with its filters, the queue, and several runs side by side."""

from typing import Annotated, Any, cast
from urllib.parse import urlencode

from fastapi import Depends, Query, Request
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.console.pages import page_router, render
from tunesmith.service import job_views, jobs, run_differences, run_pages
from tunesmith.service.access import Actor
from tunesmith.service.grids import MOST_COMPARED
from tunesmith.service.jobs import JobFilter
from tunesmith.service.recipe_fields import METHODS
from tunesmith.service.services import Services
from tunesmith.store.tables import ACTIVE, TERMINAL, JobStatus

router = page_router()

_PAGE = 50
_WAITING = 50
_STATES: tuple[JobStatus, ...] = ("queued", *ACTIVE, "paused", *TERMINAL)

Word = Annotated[str, Query(max_length=200)]


def _filters(
    text: Word = "",
    status: Word = "",
    model: Word = "",
    method: Word = "",
    dataset: Word = "",
    created_by: Word = "",
    after: Word = "",
) -> dict[str, str]:
    """What the list is narrowed to, by the names of the form's fields; empty is not at all."""
    return {
        "text": text,
        "status": status,
        "model": model,
        "method": method,
        "dataset": dataset,
        "created_by": created_by,
        "after": after,
    }


Filters = Annotated[dict[str, str], Depends(_filters)]


@router.get("/runs")
def runs_page(
    request: Request, actor: Reader, services: ServicesDep, filters: Filters
) -> HTMLResponse:
    """All runs, newest first."""
    return render(
        request,
        "runs/runs.html",
        actor=actor,
        states=_STATES,
        methods=list(METHODS),
        **_queue(services, actor),
        **_list(services, actor, filters),
    )


@router.get("/runs/list")
def runs_list(
    request: Request, actor: Reader, services: ServicesDep, filters: Filters
) -> HTMLResponse:
    """The table, narrowed."""
    return render(request, "runs/list.html", actor=actor, **_list(services, actor, filters))


def _list(services: Services, actor: Actor, filters: dict[str, str]) -> dict[str, Any]:
    status = filters["status"]
    matching = JobFilter(
        kinds=["train"],
        statuses=[cast("JobStatus", status)] if status in _STATES else [],
        text=filters["text"],
        model=filters["model"] or None,
        method=filters["method"] or None,
        dataset=filters["dataset"] or None,
        created_by=filters["created_by"] or None,
    )
    found, has_more = run_pages.list_runs(
        services, actor.tenant_id, matching=matching, after=filters["after"] or None, limit=_PAGE
    )
    query = {name: value for name, value in filters.items() if value}
    following = {**query, "after": found[-1].job.id} if has_more else None
    return {
        "runs": found,
        "filters": filters,
        "here": urlencode(query),
        "next": urlencode(following) if following else "",
        "narrowed": any(query.keys() - {"after"}),
        "most_compared": MOST_COMPARED,
    }


@router.get("/runs/queue")
def queue(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The jobs that wait, in the order in which they will be taken."""
    return render(request, "runs/queue.html", actor=actor, **_queue(services, actor))


@router.post("/runs/queue/{job_id}")
def move(
    job_id: str,
    request: Request,
    actor: Runner,
    services: ServicesDep,
    before: Annotated[str, Query(max_length=200)],
) -> HTMLResponse:
    """Put a waiting job directly before another one."""
    jobs.move_job(services, actor.tenant_id, job_id, before=before)
    return queue(request, actor, services)


def _queue(services: Services, actor: Actor) -> dict[str, Any]:
    """The first jobs that wait, and whether there are more."""
    every, more_wait = job_views.list_queue(services, actor.tenant_id, most_waiting=_WAITING)
    waiting = [job for job in every if job.status == "queued"]
    return {"waiting": waiting, "more_wait": more_wait}


@router.get("/runs/compare")
def compare(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    run: Annotated[list[str], Query(max_length=MOST_COMPARED)] = [],  # noqa: B006
) -> HTMLResponse:
    """The curves of several runs over each other, and in what they differ."""
    return render(
        request,
        "runs/compare.html",
        actor=actor,
        jobs=[jobs.get_job(services, actor.tenant_id, each) for each in run],
        differences=run_differences.find_differences(services, actor.tenant_id, run),
    )
