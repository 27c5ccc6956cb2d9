"""Runs: what training says while it goes on, and what came of it.

A run is begun, extended and steered as a job (`/jobs`); its id is the job's.
"""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from tunesmith.api.access import ModelEditor, Reader, Runner, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.api.streaming import EVENT_STREAM, stream
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import checkpoints, jobs, promotion, run_differences, run_pages
from tunesmith.service.checkpoints import CheckpointView
from tunesmith.service.grids import MOST_COMPARED
from tunesmith.service.model_pages import RegisteredModel
from tunesmith.service.run_differences import RunDifference
from tunesmith.service.run_pages import RunDetail, RunSummary
from tunesmith.service.streams import Position, read_log, read_news
from tunesmith.store.tables import JobStatus

router = APIRouter(tags=["runs"], prefix="/runs")
# The same stream beside the routes of OpenAI's clients.
events_router = APIRouter(tags=["runs"], prefix="/v1/runs")

LastEventId = Annotated[
    str | None, Header(description="the id of the last event seen", max_length=40)
]
LastByte = Annotated[
    int, Header(alias="last-event-id", description="the last id seen", ge=0, le=2**53)
]
StepNumber = Annotated[int, Path(description="the checkpoint's step", ge=0, le=2**53)]


class CheckpointName(Strict):
    """What a checkpoint is called as a model."""

    name: Name | None = setting(None, "the model's name; the run's if left out")


class RunChange(Strict):
    """What to change of a run."""

    name: Name = setting(..., "another name; recipe and result stay as they are")


@router.get("")
def list_runs(
    actor: Reader,
    services: ServicesDep,
    status: Annotated[
        list[JobStatus], Query(description="only in these states", max_length=20)
    ] = [],  # noqa: B006  (FastAPI copies it)
    name: Annotated[str | None, Query(description="only of this name", max_length=200)] = None,
    text: Annotated[str, Query(description="a part of the name", max_length=200)] = "",
    created_by: Annotated[str | None, Query(description="an e-mail", max_length=320)] = None,
    model: Annotated[str | None, Query(description="only from this base", max_length=200)] = None,
    method: Annotated[str | None, Query(description="only by this method", max_length=40)] = None,
    dataset: Annotated[str | None, Query(description="only on this data", max_length=200)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Page[RunSummary]:
    """Runs, newest first; `after` is the last id."""
    matching = jobs.JobFilter(
        kinds=["train"],
        statuses=status,
        name=name,
        text=text,
        created_by=created_by,
        model=model,
        method=method,
        dataset=dataset,
    )
    data, has_more = run_pages.list_runs(
        services, actor.tenant_id, matching=matching, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/counts")
def count_runs(actor: Reader, services: ServicesDep) -> dict[JobStatus, int]:
    """How many runs are in which state."""
    return run_pages.count_runs(services, actor.tenant_id)


@router.get("/differences")
def get_run_differences(
    actor: Reader,
    services: ServicesDep,
    run: Annotated[list[str], Query(description="ids of runs", max_length=MOST_COMPARED)] = [],  # noqa: B006
) -> list[RunDifference]:
    """In which settings and results runs differ."""
    return run_differences.find_differences(services, actor.tenant_id, run)


@router.get("/{run_id}")
def get_run(
    run_id: str,
    actor: Reader,
    services: ServicesDep,
    points: Annotated[int, Query(description="most points of the curve", ge=2, le=10_000)] = 1000,
) -> RunDetail:
    """A run in full: recipe, pins, curve, validations, pace and time left."""
    return run_pages.get_run(services, actor.tenant_id, run_id, points=points)


@router.patch("/{run_id}")
def rename_run(run_id: str, body: RunChange, actor: Runner, services: ServicesDep) -> RunSummary:
    """Call a run otherwise. Its old name leads to it too, until another run has that."""
    return run_pages.rename_run(services, actor.tenant_id, run_id, body.name)


@router.get("/{run_id}/checkpoints")
def list_run_checkpoints(run_id: str, actor: Reader, services: ServicesDep) -> Page[CheckpointView]:
    """Checkpoints that are complete, newest first."""
    return Page(data=checkpoints.list_checkpoints(services, actor.tenant_id, run_id))


@router.post("/{run_id}/checkpoints/{step}/register", status_code=201)
def register_checkpoint(
    run_id: str, step: StepNumber, body: CheckpointName, actor: ModelEditor, services: ServicesDep
) -> RegisteredModel:
    """Make a checkpoint a version of a model, that can be named, compared and deployed."""
    return promotion.register_checkpoint(services, actor, run_id, step, name=body.name)


@router.post("/{run_id}/checkpoints/{step}/pin", status_code=204)
def pin_checkpoint(run_id: str, step: StepNumber, actor: Runner, services: ServicesDep) -> None:
    """Keep a checkpoint, whatever `checkpoint.keep` says. Not found if it is deleted already."""
    checkpoints.pin_checkpoint(services, actor.tenant_id, run_id, step, pinned=True)


@router.delete("/{run_id}/checkpoints/{step}/pin", status_code=204)
def unpin_checkpoint(run_id: str, step: StepNumber, actor: Runner, services: ServicesDep) -> None:
    """Keep a checkpoint only as long as `checkpoint.keep` says."""
    checkpoints.pin_checkpoint(services, actor.tenant_id, run_id, step, pinned=False)


@router.get(
    "/{run_id}/recipe",
    response_class=Response,
    responses={200: {"content": {"application/yaml": {}}, "description": "a recipe"}},
)
def get_run_recipe(run_id: str, actor: Reader, services: ServicesDep) -> Response:
    """The frozen recipe, ready to be run again to the same bits."""
    text = run_pages.recipe_yaml(services, actor.tenant_id, run_id)
    return Response(text, media_type="application/yaml")


@router.get(
    "/{run_id}/metrics.csv",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {}}, "description": "a line for every step"}},
)
def get_run_metrics(run_id: str, actor: Reader, services: ServicesDep) -> StreamingResponse:
    """Every step's loss, learning rate, gradient norm and tokens, with validations."""
    lines = run_pages.metrics_csv(services, actor.tenant_id, run_id)
    return StreamingResponse(lines, media_type="text/csv")


@router.get("/{run_id}/events", response_class=StreamingResponse, responses=EVENT_STREAM)
def stream_events(
    run_id: str,
    request: Request,
    actor: Reader,
    services: ServicesDep,
    last_event_id: LastEventId = None,
) -> StreamingResponse:
    """Server-sent events of a run; with Last-Event-ID, those that follow it."""
    jobs.get_job(services, actor.tenant_id, run_id)
    return stream(
        request,
        lambda position: read_news(services, actor.tenant_id, run_id, after=position),
        after=Position.parse(last_event_id),
    )


events_router.add_api_route(
    "/{run_id}/events",
    stream_events,
    name="stream_events_v1",
    response_class=StreamingResponse,
    include_in_schema=False,  # described under /api/v1
)


@router.get("/{run_id}/logs", response_class=StreamingResponse, responses=EVENT_STREAM)
def stream_logs(
    run_id: str,
    request: Request,
    actor: Reader,
    services: ServicesDep,
    last_event_id: LastByte = 0,
) -> StreamingResponse:
    """What the run's process prints, as server-sent events; an id is the offset in bytes."""
    jobs.get_job(services, actor.tenant_id, run_id)
    return stream(
        request,
        lambda offset: read_log(services, actor.tenant_id, run_id, after=offset),
        after=last_event_id,
    )


@router.delete("/{run_id}", status_code=204)
def delete_run(run_id: str, actor: Runner, services: ServicesDep) -> None:
    """Delete a run's files; what it cost stays on record. Refused while something needs it."""
    run_pages.delete_run(services, actor.tenant_id, run_id)
