"""Following a job on a server: the same bars as for work on this machine."""

import secrets
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from tunesmith.cli import show
from tunesmith.cli.progress import job_progress, training_progress
from tunesmith.cli.remote.server import Server, StreamEvent, rebuilt
from tunesmith.errors import Reason, RunFailed, Stopped, UserError
from tunesmith.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    PhaseStarted,
    Progressed,
    RunPaused,
    RunStarted,
    Sampled,
    StepDone,
    Warned,
)
from tunesmith.schema import Strict, validate
from tunesmith.service.job_requests import JobOptions, JobRequest
from tunesmith.service.job_views import JobView

# What progress is made of; a server keeps to itself where its artifacts lie.
_EVENTS: Mapping[str, type[Event]] = {
    kind.kind: kind
    for kind in (
        PhaseStarted,
        Progressed,
        RunStarted,
        StepDone,
        Evaluated,
        Sampled,
        CheckpointSaved,
        Warned,
        RunPaused,
    )
}

Request = TypeVar("Request", bound=Strict)

_TO_MEND: Collection[Reason] = ("data", "recipe", "model")  # by whoever asked, as on this machine


def as_request(kind: type[Request], **values: Any) -> Request:
    """What to ask a server for.

    Raises:
        RecipeInvalid: a value is not allowed.
    """
    return validate(kind, values, source=kind.model_fields["kind"].default)


def submit(server: Server, request: JobRequest, options: JobOptions | None = None) -> JobView:
    """Queue a job."""
    body = {
        "job": request.model_dump(mode="json", exclude_unset=True) | {"kind": request.kind},
        "options": (options or JobOptions()).model_dump(mode="json"),
    }
    # Should the line drop before the answer, a second try finds the first one's job.
    key = {"idempotency-key": secrets.token_hex(16)}
    return server.view(JobView, "POST", "/jobs", json=body, headers=key)


def follow(server: Server, job: JobView) -> JobView:
    """Show how `job` goes until it ends or pauses; return it as it is then.

    Raises:
        UserError: it failed for what it was given.
        RunFailed: it failed otherwise, or was cancelled.
        Stopped: Ctrl-C; the job goes on.
    """
    progress = training_progress() if job.kind == "train" else job_progress(job.kind)
    try:
        with progress as listener:
            for event in server.events(f"/runs/{job.id}/events", say=show.note):
                if event.kind == "status":
                    _say_status(event, job)
                elif (told := _event_of(event)) is not None:
                    listener(told)
                # A stream begins with the past, where the run may have paused before.
                if event.data.get("status") == "paused" and _now(server, job).status == "paused":
                    break
    except KeyboardInterrupt:
        raise Stopped(
            f"no longer watching; {job.kind} {job.name} goes on at {server.address}",
            hint=f"tunesmith runs follow {job.id}",
        ) from None
    job = _now(server, job)
    if job.status in ("failed", "cancelled"):
        error = job.error or {"message": "it was cancelled", "hint": "", "reason": "stopped"}
        kind = UserError if error["reason"] in _TO_MEND else RunFailed
        raise kind(f"{job.kind} {job.name}: {error['message']}", hint=error["hint"])
    return job


def _now(server: Server, job: JobView) -> JobView:
    return server.view(JobView, "GET", f"/jobs/{job.id}")


def _say_status(event: StreamEvent, job: JobView) -> None:
    if job.kind == "train":
        show.note(f"· {event.data['status']} {event.data['message']}".rstrip())


def _event_of(event: StreamEvent) -> Event | None:
    """What the engine said there; None where that is no progress."""
    kind = _EVENTS.get(event.kind)
    return rebuilt(kind, event.data) if kind is not None else None
