"""Sweeps: one recipe, trained with every combination of values that are to be tried."""

from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import Field

from tunesmith.api.access import Runner, ServicesDep
from tunesmith.api.paging import Page
from tunesmith.schema import Strict, setting
from tunesmith.service import sweeps
from tunesmith.service.grids import MOST_COMPARED
from tunesmith.service.job_requests import JobOptions, TrainRequest
from tunesmith.service.job_views import JobView

router = APIRouter(tags=["jobs"])


class Sweep(Strict):
    """A training, and what to try."""

    job: TrainRequest
    grid: dict[str, Annotated[list[Any], Field(min_length=1, max_length=MOST_COMPARED)]] = setting(
        ..., "values by dotted path, such as training.learning_rate", min_length=1
    )
    options: JobOptions = setting(JobOptions(), "how each run is queued")


@router.post("/sweeps", status_code=201)
def submit_sweep(
    body: Sweep,
    actor: Runner,
    services: ServicesDep,
    idempotency_key: Annotated[str | None, Header(max_length=190)] = None,
) -> Page[JobView]:
    """Queue a run for every combination of values, at most eight, named NAME-1, NAME-2 and so on.

    `GET /runs/differences` then shows what they come to.
    """
    begun = sweeps.submit_sweep(
        services,
        body.job,
        grid=body.grid,
        actor=actor,
        options=body.options,
        idempotency_key=idempotency_key,
    )
    return Page(data=begun)
