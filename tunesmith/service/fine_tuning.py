"""Trainings as fine-tuning jobs: what OpenAI's clients see of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.data.config import DatasetValidation
from tunesmith.errors import NotFound
from tunesmith.service import jobs, submitting
from tunesmith.service.access import Actor
from tunesmith.service.fine_tuning_requests import (
    FineTuningRequest,
    checkpoint_id,
    model_of_job,
    recipe_of_job,
    to_training,
)
from tunesmith.service.job_views import JobView
from tunesmith.service.jobs import JobFilter
from tunesmith.service.preparation import job_folder
from tunesmith.service.registry import short_id
from tunesmith.service.runs import checkpoint_steps
from tunesmith.service.services import Services
from tunesmith.service.training_history import find_training
from tunesmith.service.training_metrics import estimate_finish, read_metrics
from tunesmith.store.tables import Job, JobNeed, Model, Tenant
from tunesmith.training.config import TrainConfig


@dataclass(frozen=True)
class FineTuning:
    """A training, with what clients of OpenAI's want to know of it beside.

    Attributes:
        job: as lists show it.
        recipe: as it was asked for.
        tenant_id: whose it is.
        validating: it waits until a file has been read and checked.
        refused_file: the file for which it failed.
        fine_tuned_model: the registered model that came out.
        result_files: ids of files with its metrics.
        trained_tokens: tokens that training saw, once it has succeeded.
        estimated_finish: when the last step will be taken, while it is at work.
    """

    job: JobView
    recipe: TrainConfig
    tenant_id: str
    validating: bool
    refused_file: str | None
    fine_tuned_model: str | None
    result_files: Sequence[str]
    trained_tokens: int | None
    estimated_finish: datetime | None

    @property
    def validation_file(self) -> str | None:
        """The file or dataset that progress is measured on, None if it is not one of its own."""
        validation = self.recipe.data.validation
        return validation.dataset if isinstance(validation, DatasetValidation) else None


def create_fine_tuning(
    services: Services, request: FineTuningRequest, *, actor: Actor, idempotency_key: str | None
) -> FineTuning:
    """Queue a fine-tuning job, durable on return; see `submitting.submit_job`.

    Raises:
        NotFound: the tenant has no such model or dataset.
        NameInvalid: the suffix cannot be made a name.
        RecipeInvalid: a file cannot be trained on, or a setting is wrong.
        Conflict: the key was used for something else.
        QuotaExceeded: too many jobs of the tenant wait.
    """
    job = submitting.submit_job(
        services,
        to_training(services, actor.tenant_id, request),
        actor=actor,
        options=request.options,
        idempotency_key=idempotency_key,
    )
    return _views(services, actor.tenant_id, [job])[0]


def get_fine_tuning(services: Services, tenant_id: str, job_id: str) -> FineTuning:
    """A fine-tuning job of the tenant.

    Raises:
        NotFound: it has no such job.
    """
    with services.database.reading() as db:
        find_training(db, tenant_id, job_id)
    return _views(services, tenant_id, [jobs.get_job(services, tenant_id, job_id)])[0]


def steer_fine_tuning(
    services: Services,
    tenant_id: str,
    job_id: str,
    act: Callable[[Services, str, str], JobView],
) -> FineTuning:
    """Pause, resume or cancel a fine-tuning job, as `act` of `jobs` does.

    Raises:
        NotFound: the tenant has no such job.
        Conflict: its state does not allow that.
    """
    with services.database.reading() as db:
        find_training(db, tenant_id, job_id)
    return _views(services, tenant_id, [act(services, tenant_id, job_id)])[0]


def list_fine_tunings(
    services: Services,
    tenant_id: str,
    *,
    metadata: Mapping[str, str] | None,
    after: str | None,
    limit: int,
) -> tuple[list[FineTuning], bool]:
    """A page of fine-tuning jobs, newest first, and whether there are more.

    Raises:
        NotFound: there is no job `after`.
    """
    matching = JobFilter(kinds=("train",), metadata=metadata)
    page, has_more = jobs.list_jobs(
        services, tenant_id, matching=matching, after=after, limit=limit
    )
    return _views(services, tenant_id, page), has_more


def _views(services: Services, tenant_id: str, views: Sequence[JobView]) -> list[FineTuning]:
    ids = [view.id for view in views]
    with services.database.reading() as db:
        rows = {job.id: job for job in db.scalars(select(Job).where(Job.id.in_(ids)))}
        models = _models(db, ids)
        unread = _unread_files(db, ids)
    return [
        FineTuning(
            job=view,
            recipe=recipe_of_job(rows[view.id]),
            tenant_id=tenant_id,
            validating=view.status == "queued" and view.id in {need.job_id for need in unread},
            refused_file=next((need.name for need in unread if need.refuses(view)), None),
            fine_tuned_model=models.get(view.id),
            result_files=rows[view.id].details.get("result_files", []),
            trained_tokens=rows[view.id].details.get("trained_tokens"),
            estimated_finish=_estimate(services, rows[view.id]),
        )
        for view in views
    ]


def _models(db: Session, job_ids: Sequence[str]) -> dict[str, str]:
    made = select(Model.job_id, Model.id).where(Model.job_id.in_(job_ids))
    return {job_id: model for job_id, model in db.execute(made) if job_id is not None}


@dataclass(frozen=True)
class _UnreadFile:
    """A file that a job needs and that has not been imported, and how its import is."""

    job_id: str
    name: str
    status: str

    def refuses(self, job: JobView) -> bool:
        """Whether `job` failed because this file cannot be read."""
        return job.id == self.job_id and job.status == self.status == "failed"


def _unread_files(db: Session, job_ids: Sequence[str]) -> list[_UnreadFile]:
    needs = (
        select(JobNeed.job_id, Job.name, Job.status)
        .join(Job, Job.id == JobNeed.needed_id)
        .where(JobNeed.job_id.in_(job_ids), Job.kind == "import", Job.status != "succeeded")
    )
    return [_UnreadFile(*row) for row in db.execute(needs)]


def _estimate(services: Services, job: Job) -> datetime | None:
    if job.status != "running":
        return None
    return estimate_finish(job_folder(services, job), total_steps=job.total_steps)


# --- checkpoints -------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckpointView:
    """A checkpoint that is kept, and what was measured at its step."""

    id: str
    created_at: datetime
    model: str
    step: int
    metrics: dict[str, float]


def list_checkpoints(
    services: Services, tenant_id: str, job_id: str, *, after: str | None, limit: int
) -> tuple[list[CheckpointView], bool]:
    """A page of the checkpoints of a job, newest first, and whether there are more.

    Raises:
        NotFound: the tenant has no such job, or the job no checkpoint `after`.
    """
    with services.database.reading() as db:
        job = find_training(db, tenant_id, job_id)
        model = model_of_job(job, db.get_one(Tenant, tenant_id).name)
    folder = job_folder(services, job)
    metrics = read_metrics(folder)
    steps = sorted(checkpoint_steps(folder).keys() & metrics.checkpoints.keys(), reverse=True)
    if after is not None:  # it may have been deleted meanwhile, as a run keeps only a few
        match = re.fullmatch(rf"ftckpt-{short_id(job_id)}-(\d{{1,9}})", after)
        if match is None:
            raise NotFound(f"job {job_id} has no checkpoint {after}")
        steps = [step for step in steps if step < int(match[1])]
    page = [
        CheckpointView(
            id=f"ftckpt-{short_id(job_id)}-{step}",
            created_at=datetime.fromisoformat(metrics.checkpoints[step]["time"]),
            model=checkpoint_id(model, step),
            step=step,
            metrics=metrics.at(step),
        )
        for step in steps[:limit]
    ]
    return page, len(steps) > limit
