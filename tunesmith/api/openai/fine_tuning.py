"""Fine-tuning jobs, as OpenAI's clients make, steer and watch them."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.api.openai.lists import Limit, ObjectList, as_list
from tunesmith.api.openai.objects import (
    Checkpoint,
    FineTuningEvent,
    FineTuningJob,
    checkpoint_object,
    event_object,
    job_object,
)
from tunesmith.api.paging import After
from tunesmith.service import fine_tuning, jobs, training_history
from tunesmith.service.fine_tuning_requests import FineTuningRequest

router = APIRouter(tags=["openai"], prefix="/fine_tuning/jobs")


@router.post("")
def create_job(
    body: FineTuningRequest,
    actor: Runner,
    services: ServicesDep,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> FineTuningJob:
    """Queue a fine-tuning job. With an Idempotency-Key, asking again gives the same job."""
    return job_object(
        fine_tuning.create_fine_tuning(services, body, actor=actor, idempotency_key=idempotency_key)
    )


@router.get("")
def list_jobs(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    metadata: Annotated[str | None, Query(pattern="^null$")] = None,
    after: After = None,
    limit: Limit = 20,
) -> ObjectList[FineTuningJob]:
    """Fine-tuning jobs, newest first; `metadata[KEY]=VALUE` or `metadata=null` chooses some."""
    page, has_more = fine_tuning.list_fine_tunings(
        services,
        actor.tenant_id,
        metadata={} if metadata is not None else _metadata(request),
        after=after,
        limit=limit,
    )
    return as_list([job_object(tuning) for tuning in page], has_more=has_more)


def _metadata(request: Request) -> dict[str, str] | None:
    """The notes that a list asks for, None for any."""
    asked = {
        match[1]: value
        for name, value in request.query_params.items()
        if (match := re.fullmatch(r"metadata\[(.+)\]", name))
    }
    return asked or None


@router.get("/{job_id}")
def retrieve_job(job_id: str, actor: Reader, services: ServicesDep) -> FineTuningJob:
    """A fine-tuning job."""
    return job_object(fine_tuning.get_fine_tuning(services, actor.tenant_id, job_id))


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, actor: Runner, services: ServicesDep) -> FineTuningJob:
    """End a job; one at work is cancelled as soon as its worker hears of it."""
    return job_object(
        fine_tuning.steer_fine_tuning(services, actor.tenant_id, job_id, jobs.cancel_job)
    )


@router.post("/{job_id}/pause")
def pause_job(job_id: str, actor: Runner, services: ServicesDep) -> FineTuningJob:
    """Pause a job; one at work is paused as soon as its checkpoint is saved."""
    return job_object(
        fine_tuning.steer_fine_tuning(services, actor.tenant_id, job_id, jobs.pause_job)
    )


@router.post("/{job_id}/resume")
def resume_job(job_id: str, actor: Runner, services: ServicesDep) -> FineTuningJob:
    """Queue a paused, failed or cancelled job again; it goes on to the same bits."""
    return job_object(
        fine_tuning.steer_fine_tuning(services, actor.tenant_id, job_id, jobs.resume_job)
    )


@router.get("/{job_id}/events")
def list_events(
    job_id: str, actor: Reader, services: ServicesDep, after: After = None, limit: Limit = 20
) -> ObjectList[FineTuningEvent]:
    """What happened to a job, newest first."""
    page, has_more = training_history.list_history(
        services, actor.tenant_id, job_id, after=after, limit=limit
    )
    return as_list([event_object(entry) for entry in page], has_more=has_more)


@router.get("/{job_id}/checkpoints")
def list_checkpoints(
    job_id: str, actor: Reader, services: ServicesDep, after: After = None, limit: Limit = 10
) -> ObjectList[Checkpoint]:
    """The checkpoints of a job that are kept, newest first."""
    page, has_more = fine_tuning.list_checkpoints(
        services, actor.tenant_id, job_id, after=after, limit=limit
    )
    return as_list([checkpoint_object(view, job_id=job_id) for view in page], has_more=has_more)
