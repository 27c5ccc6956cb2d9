"""Runs of a home as people look at them: what their files say. Torch-free."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tunesmith.artifacts import read_manifest
from tunesmith.events import current_history, read_events
from tunesmith.jobs.folder import EVENTS, JOB, is_locked
from tunesmith.service.run_figures import SamplePoint, samples, tokens_per_second
from tunesmith.service.runs import ID_TIME, checkpoint_steps, find_run, read_job
from tunesmith.store.home import Home
from tunesmith.training.job import CHECKPOINTS, RESULT, TrainJob
from tunesmith.training.pins import pinned_steps

# Of a run on this machine; a server's queue has further ones.
Status: TypeAlias = Literal[
    "finished", "running", "paused", "failed", "interrupted",
    "queued", "starting", "pausing", "succeeded", "cancelled",
]  # fmt: skip


@dataclass(frozen=True)
class RunView:
    """A run as lists and pages show it, made from its stored files alone."""

    id: str
    name: str
    status: Status
    step: int
    total_steps: int
    loss: float | None
    validation_loss: float | None
    base: str
    method: str
    created: str
    folder: str
    result: str | None
    message: str


def list_runs(home: Home) -> list[RunView]:
    """All runs, newest first."""
    names = {entry.id: entry.name for entry in home.entries("run")}  # its last one
    return [
        replace(view_run(home.runs / run_id), name=names[run_id])
        for run_id in reversed(names)
        if (home.runs / run_id / JOB).exists()
    ]


def view_run(folder: Path) -> RunView:
    """What the files of a run say about it."""
    return _view(folder, read_job(folder), current_history(read_events(folder / EVENTS)))


def _view(folder: Path, job: TrainJob, history: list[dict[str, Any]]) -> RunView:
    result = read_manifest(folder / RESULT)
    steps = [event for event in history if event["kind"] == "step"]
    validations = [event for event in history if event["kind"] == "evaluated"]
    started = [event for event in history if event["kind"] == "started"]
    failed = history[-1] if history and history[-1]["kind"] == "failed" else None
    return RunView(
        id=folder.name,
        name=job.config.name,
        status=status_of(folder, history),
        step=steps[-1]["step"] if steps else 0,
        total_steps=started[-1]["total_steps"] if started else 0,
        loss=steps[-1]["loss"] if steps else None,
        validation_loss=validations[-1]["loss"] if validations else None,
        base=job.base.reference,
        method=job.config.method.kind,
        created=_created(folder.name),
        folder=str(folder),
        result=str(folder / RESULT) if result else None,
        message=f"{failed['message']} {failed['hint']}".strip() if failed else "",
    )


def _created(run_id: str) -> str:
    """When a run was made, as its id tells."""
    time, _, _ = run_id.rpartition("-")
    return f"{datetime.strptime(time, ID_TIME):%Y-%m-%d %H:%M}"


def status_of(folder: Path, history: list[dict[str, Any]]) -> Status:
    """How the job of `folder` fares, whose events `history` has."""
    if read_manifest(folder / RESULT) is not None:
        return "finished"
    if is_locked(folder):
        return "running"
    last = history[-1]["kind"] if history else ""
    return "paused" if last == "paused" else "failed" if last == "failed" else "interrupted"


@dataclass(frozen=True)
class RunDetails:
    """One run in full."""

    view: RunView
    losses: list[float]
    validations: list[dict[str, Any]]
    samples: list[SamplePoint]
    tokens_per_second: float
    checkpoints: list[int]
    pinned: list[int]
    lineage: dict[str, Any]
    recipe: dict[str, Any]


def show_run(home: Home, reference: str) -> RunDetails:
    """Everything the files of a run say about it.

    Raises:
        NotFound: there is no such run.
    """
    folder = find_run(home, reference)
    names = {entry.id: entry.name for entry in home.entries("run")}
    job = read_job(folder)
    history = current_history(read_events(folder / EVENTS))
    steps = [event for event in history if event["kind"] == "step"]
    return RunDetails(
        view=replace(_view(folder, job, history), name=names[folder.name]),
        losses=[step["loss"] for step in steps],
        validations=[event for event in history if event["kind"] == "evaluated"],
        samples=samples(history),
        tokens_per_second=tokens_per_second(history),
        checkpoints=sorted(checkpoint_steps(folder)),
        pinned=sorted(pinned_steps(folder / CHECKPOINTS)),
        lineage=dict(job.identity),
        recipe=job.config.model_dump(mode="json"),
    )
