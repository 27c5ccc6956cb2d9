"""Following a job on a server: the same bars as for work on this machine."""

from collections.abc import Mapping

from tunesmith.cli import show
from tunesmith.cli.progress import job_progress, training_progress
from tunesmith.cli.remote.server import Server, StreamEvent, rebuilt
from tunesmith.errors import RunFailed, Stopped
from tunesmith.events import (
    CheckpointSaved,
    Evaluated,
    Event,
    PhaseStarted,
    Progressed,
    RunPaused,
    RunStarted,
    StepDone,
    Warned,
)
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
        CheckpointSaved,
        Warned,
        RunPaused,
    )
}


def follow(server: Server, job: JobView) -> JobView:
    """Show how `job` goes until it ends or pauses; return it as it is then.

    Raises:
        RunFailed: it failed or was cancelled.
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
        error = job.error or {"message": "it was cancelled", "hint": ""}
        raise RunFailed(f"{job.kind} {job.name}: {error['message']}", hint=error["hint"])
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
