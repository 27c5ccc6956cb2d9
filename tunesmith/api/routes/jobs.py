"""The queue: submitting jobs, looking at them, steering them."""

from typing import Annotated

from fastapi import APIRouter, Header, Query

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.schema import Strict, setting
from tunesmith.service import jobs, submitting, subscriptions
from tunesmith.service.job_requests import JobOptions, JobRequest
from tunesmith.service.job_views import JobView
from tunesmith.store.tables import JobStatus

router = APIRouter(tags=["jobs"], prefix="/jobs")


class Submission(Strict):
    """A job to queue."""

    job: JobRequest
    options: JobOptions = setting(JobOptions(), "how it is queued")


class Place(Strict):
    """Where a waiting job goes: directly before another, or by priority."""

    before: str | None = None
    priority: int | None = setting(None, "larger comes first", ge=-100, le=100)


@router.post("", status_code=201)
def submit_job(
    body: Submission,
    actor: Runner,
    services: ServicesDep,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> JobView:
    """Queue a job. With an Idempotency-Key, asking again gives the same job."""
    return submitting.submit_job(
        services, body.job, actor=actor, options=body.options, idempotency_key=idempotency_key
    )


@router.get("")
def list_jobs(
    actor: Reader,
    services: ServicesDep,
    kind: Annotated[list[str], Query(max_length=20)] = [],  # noqa: B006  (FastAPI copies it)
    status: Annotated[list[JobStatus], Query(max_length=20)] = [],  # noqa: B006
    name: str | None = None,
    after: After = None,
    limit: Limit = 20,
) -> Page[JobView]:
    """Jobs, newest first."""
    matching = jobs.JobFilter(kinds=kind, statuses=status, name=name)
    data, has_more = jobs.list_jobs(
        services, actor.tenant_id, matching=matching, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{job_id}")
def get_job(job_id: str, actor: Reader, services: ServicesDep) -> JobView:
    """One job, with its place in the queue and what it waits for."""
    return jobs.get_job(services, actor.tenant_id, job_id)


@router.post("/{job_id}/pause")
def pause_job(job_id: str, actor: Runner, services: ServicesDep) -> JobView:
    """Save a checkpoint and free the machine."""
    return jobs.pause_job(services, actor.tenant_id, job_id)


@router.post("/{job_id}/resume")
def resume_job(job_id: str, actor: Runner, services: ServicesDep) -> JobView:
    """Queue a paused, failed or cancelled job again; it goes on to the same bits."""
    return jobs.resume_job(services, actor.tenant_id, job_id)


@router.post("/{job_id}/cancel")
def cancel_job(job_id: str, actor: Runner, services: ServicesDep) -> JobView:
    """End a job."""
    return jobs.cancel_job(services, actor.tenant_id, job_id)


@router.post("/{job_id}/move")
def move_job(job_id: str, body: Place, actor: Runner, services: ServicesDep) -> JobView:
    """Give a waiting job another place."""
    return jobs.move_job(
        services, actor.tenant_id, job_id, before=body.before, priority=body.priority
    )


@router.get("/{job_id}/channels")
def list_job_channels(job_id: str, actor: Reader, services: ServicesDep) -> Page[str]:
    """The ids of the channels that hear of a job."""
    return Page(data=subscriptions.list_subscribed(services, actor.tenant_id, job_id))


@router.put("/{job_id}/channels/{channel_id}", status_code=204)
def subscribe_channel(job_id: str, channel_id: str, actor: Runner, services: ServicesDep) -> None:
    """Let a channel hear of a job from now on."""
    subscriptions.subscribe(services, actor.tenant_id, job_id, channel_id)


@router.delete("/{job_id}/channels/{channel_id}", status_code=204)
def unsubscribe_channel(job_id: str, channel_id: str, actor: Runner, services: ServicesDep) -> None:
    """Let a channel hear no more of a job."""
    subscriptions.unsubscribe(services, actor.tenant_id, job_id, channel_id)
