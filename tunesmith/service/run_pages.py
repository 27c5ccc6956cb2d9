"""A tenant's runs as the API shows them: the job in the queue, and what the engine said."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args

import yaml
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, InUse, NotFound
from tunesmith.events import current_history, read_events
from tunesmith.jobs.folder import EVENTS, JOB
from tunesmith.schema import check_name
from tunesmith.service import runs
from tunesmith.service.job_views import JobView, view_jobs
from tunesmith.service.jobs import JobFilter, find_job, find_jobs
from tunesmith.service.preparation import job_folder
from tunesmith.service.remedies import suggest_changes
from tunesmith.service.run_figures import (
    CurvePoint,
    History,
    SamplePoint,
    ValidationPoint,
    csv_lines,
    curve,
    is_kind,
    last_losses,
    samples,
    seconds_left,
    sketch,
    tail,
    tokens_per_second,
    validations,
)
from tunesmith.service.services import Services
from tunesmith.store.names import point_name
from tunesmith.store.tables import TERMINAL, Job, JobStatus, Model, NameRow
from tunesmith.training.config import TrainConfig

_POINTS_OF_A_SKETCH = 32  # of a curve that is as large as a word


@dataclass(frozen=True)
class RunSummary:
    """A run as lists show it. Losses are the last that were measured.

    Attributes:
        course: how the loss went, as a few (step, loss).
        seconds_left: at the pace of the last steps; None where nothing is at work.
    """

    job: JobView
    model: str
    method: str
    datasets: list[str]
    loss: float | None
    validation_loss: float | None
    course: list[tuple[int, float]]
    seconds_left: float | None


@dataclass(frozen=True)
class RunOutline:
    """What is known of a run without reading through its events, however long it is.

    Attributes:
        run: as lists show it.
        recipe: the frozen recipe, complete with defaults.
        pins: dataset versions by the references of the recipe.
        tokens_per_second: over its last steps.
        model_ids: the registered models that came out of it.
        origin: the run that it goes on with (its id or name), or RUN@STEP that it begins with.
        changes: what to change in the recipe before it is tried again, where it failed for that.
    """

    run: RunSummary
    recipe: dict[str, Any]
    pins: dict[str, str]
    tokens_per_second: float
    model_ids: list[str]
    origin: str | None
    changes: dict[str, Any]


@dataclass(frozen=True)
class RunDetail(RunOutline):
    """A run in full.

    Attributes:
        curve: optimizer steps, thinned evenly where there are more than were asked for.
        validations: all of them.
        samples: what the model answered while it learnt, if it was asked.
        warnings: what the engine wants known.
    """

    curve: list[CurvePoint]
    validations: list[ValidationPoint]
    samples: list[SamplePoint]
    warnings: list[str]


# --- looking ---------------------------------------------------------------------------------


def list_runs(
    services: Services, tenant_id: str, *, matching: JobFilter, after: str | None, limit: int
) -> tuple[list[RunSummary], bool]:
    """A page of runs, newest first, and whether there are more; `after` is the last id seen.

    Raises:
        NotFound: there is no run `after`.
    """
    with services.database.reading() as db:
        jobs, has_more = find_jobs(db, tenant_id, matching=matching, after=after, limit=limit)
        views = view_jobs(services, db, jobs)
    return [_summary(services, job, view) for job, view in zip(jobs, views, strict=True)], has_more


def count_runs(services: Services, tenant_id: str) -> dict[JobStatus, int]:
    """How many runs are in which state, by the course of their lives; empty states left out."""
    runs = select(Job.status, func.count()).where(
        Job.tenant_id == tenant_id, Job.kind == "train", Job.removed_at.is_(None)
    )
    with services.database.reading() as db:
        counts = dict(db.execute(runs.group_by(Job.status)).all())
    return {status: counts[status] for status in get_args(JobStatus) if status in counts}


def outline_run(services: Services, tenant_id: str, run_id: str) -> RunOutline:
    """What is known of a run at once.

    Raises:
        NotFound: the tenant has no such run.
    """
    return _outline(services, tenant_id, run_id)[1]


def get_run(services: Services, tenant_id: str, run_id: str, *, points: int) -> RunDetail:
    """Everything that is known of a run, its curve in at most `points` points.

    Raises:
        NotFound: the tenant has no such run.
    """
    job, outline = _outline(services, tenant_id, run_id)
    history = _history(services, job)
    return RunDetail(
        **vars(outline),
        curve=curve(history, most=points),
        validations=validations(history),
        samples=samples(history),
        warnings=[event["message"] for event in history if is_kind(event, "warning")],
    )


def _outline(services: Services, tenant_id: str, run_id: str) -> tuple[Job, RunOutline]:
    with services.database.reading() as db:
        job = find_run(db, tenant_id, run_id)
        view = view_jobs(services, db, [job])[0]
        model_ids = list(db.scalars(select(Model.id).where(Model.job_id == job.id)))
    recipe, request = _recipe(services, job), job.spec["request"]
    outline = RunOutline(
        run=_summary(services, job, view),
        recipe=recipe.model_dump(mode="json"),
        pins=_pins(services, job),
        tokens_per_second=tokens_per_second(tail(job_folder(services, job) / EVENTS)),
        model_ids=model_ids,
        origin=request.get("start_from") or request.get("run"),
        changes=suggest_changes(recipe, view.error["reason"]) if view.error else {},
    )
    return job, outline


def _summary(services: Services, job: Job, view: JobView) -> RunSummary:
    recipe = _recipe(services, job)
    events = job_folder(services, job) / EVENTS
    recent = tail(events)
    last = last_losses(recent)
    is_at_work = view.status in ("running", "pausing")
    return RunSummary(
        job=view,
        model=recipe.model,
        method=recipe.method.kind,
        datasets=[entry.dataset for entry in recipe.data.train],
        loss=last.get("step"),
        validation_loss=last.get("evaluated"),
        course=sketch(events, most=_POINTS_OF_A_SKETCH),
        seconds_left=seconds_left(recent, total_steps=view.total_steps) if is_at_work else None,
    )


def _recipe(services: Services, job: Job) -> TrainConfig:
    """The recipe of a run; of the run that it goes on with, where its own is not made yet."""
    folder = job_folder(services, job)
    if (folder / JOB).exists():
        return runs.read_job(folder).config
    request = job.spec["request"]
    if request["kind"] == "train":
        return TrainConfig.model_validate(request["recipe"], strict=False)
    return runs.read_job(runs.find_run(services.home(job.tenant_id), request["run"])).config


def _pins(services: Services, job: Job) -> dict[str, str]:
    folder = job_folder(services, job)
    if not (folder / JOB).exists():
        return job.spec["pins"]
    return {each.reference: each.version for each in runs.read_job(folder).datasets}


def _history(services: Services, job: Job) -> History:
    return current_history(read_events(job_folder(services, job) / EVENTS))


def find_run(db: Session, tenant_id: str, run_id: str) -> Job:
    """The row of a tenant's run.

    Raises:
        NotFound: the tenant has no such run.
    """
    job = find_job(db, tenant_id, run_id)
    if job.kind != "train":
        raise NotFound(f"there is no run {run_id}", hint=f"it is a job of kind {job.kind}")
    return job


def recipe_yaml(services: Services, tenant_id: str, run_id: str) -> str:
    """The frozen recipe of a run, to run it again: equal recipes give equal bytes (F183).

    Raises:
        NotFound: the tenant has no such run.
    """
    with services.database.reading() as db:
        job = find_run(db, tenant_id, run_id)
    values = _recipe(services, job).model_dump(mode="json")
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def metrics_csv(services: Services, tenant_id: str, run_id: str) -> Iterator[str]:
    """Every step as a line of CSV, with the validation that followed it.

    Raises:
        NotFound: the tenant has no such run.
    """
    with services.database.reading() as db:
        job = find_run(db, tenant_id, run_id)
    return csv_lines(_history(services, job))


# --- renaming and deleting -------------------------------------------------------------------


def rename_run(services: Services, tenant_id: str, run_id: str, name: str) -> RunSummary:
    """Call a run otherwise; recipe, result and model stay as they are.

    Its old name leads to it too, until another run has that.

    Raises:
        NotFound: the tenant has no such run.
        NameInvalid: `name` breaks the rules.
    """
    check_name(name)
    with services.database.transaction() as db:
        job = find_run(db, tenant_id, run_id)
        job.name = name
        point_name(db, "run", name, run_id, tenant_id=tenant_id, now=services.clock())
        view = view_jobs(services, db, [job])[0]
    return _summary(services, job, view)


def delete_run(services: Services, tenant_id: str, run_id: str) -> None:
    """Delete a run's files; what it cost stays on record.

    Raises:
        NotFound: the tenant has no such run.
        Conflict: it has not ended.
        InUse: a registered model is its result, or a job that has not ended is to use it.
    """
    with services.database.transaction() as db:
        job = find_run(db, tenant_id, run_id)
        if job.status not in TERMINAL:
            raise Conflict(f"run {run_id} is {job.status}", hint="cancel it first")
        _check_unused(db, job)
        job.removed_at = services.clock()
        db.execute(
            delete(NameRow).where(
                NameRow.tenant_id == tenant_id, NameRow.kind == "run", NameRow.target == run_id
            )
        )
    shutil.rmtree(job_folder(services, job), ignore_errors=True)


def _check_unused(db: Session, run: Job) -> None:
    model = db.scalars(select(Model).where(Model.job_id == run.id)).first()
    if model is not None:
        raise InUse(
            f"the model {model.name}@{model.version} is the result of run {run.id}",
            hint="delete the model first",
        )
    unfinished = select(Job).where(Job.tenant_id == run.tenant_id, Job.status.not_in(TERMINAL))
    for job in db.scalars(unfinished):
        request, pins = job.spec["request"], job.spec["pins"].values()
        reference = request.get("run") or request.get("start_from") or ""
        goes_on = reference.partition("@")[0] in (run.id, run.name)
        if goes_on or any(pin.startswith(f"{run.id}@") for pin in pins):
            raise InUse(f"job {job.id} is to use run {run.id}", hint="cancel that job first")
