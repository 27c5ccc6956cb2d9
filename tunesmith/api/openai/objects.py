"""Fine-tuning jobs, their events and checkpoints, in the shape that OpenAI's clients read."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeAlias

from pydantic import BaseModel

from tunesmith.api.openai.lists import Identified
from tunesmith.modeling.config import DEFAULT_LEARNING_RATES
from tunesmith.service.fine_tuning import CheckpointView, FineTuning
from tunesmith.service.training_history import HistoryEntry, Level
from tunesmith.store.tables import JobStatus
from tunesmith.training.config import TrainConfig

Status: TypeAlias = Literal[
    "validating_files", "queued", "running", "paused", "succeeded", "failed", "cancelled"
]

# A queued job whose files have not been read yet is `validating_files`.
STATUS_OF: Mapping[JobStatus, Status] = {
    "queued": "queued",
    "starting": "running",
    "running": "running",
    "pausing": "running",
    "paused": "paused",
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str
    param: str | None


class HyperparametersObject(BaseModel):
    """The values that the job is trained with; `auto` is resolved."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float


class SupervisedObject(BaseModel):
    """Settings of supervised fine-tuning."""

    hyperparameters: HyperparametersObject


class MethodObject(BaseModel):
    """How a job is trained."""

    type: Literal["supervised"] = "supervised"
    supervised: SupervisedObject


class FineTuningJob(Identified):
    """A fine-tuning job. Times are in seconds since 1970."""

    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    finished_at: int | None
    estimated_finish: int | None
    status: Status
    error: JobError | None
    model: str
    fine_tuned_model: str | None
    organization_id: str
    training_file: str
    validation_file: str | None
    result_files: list[str]
    trained_tokens: int | None
    hyperparameters: HyperparametersObject
    method: MethodObject
    seed: int
    integrations: None = None
    metadata: dict[str, str] | None


class FineTuningEvent(Identified):
    """Something that happened to a job; of type metrics, `data` holds what was measured."""

    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: Level
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, int | float] | None


class CheckpointMetrics(BaseModel):
    """What was measured at a checkpoint's step."""

    step: int
    train_loss: float | None = None
    train_mean_token_accuracy: float | None = None
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


class Checkpoint(Identified):
    """A checkpoint that training can go on from."""

    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics


def job_object(tuning: FineTuning) -> FineTuningJob:
    """A fine-tuning job as clients read it."""
    job, data = tuning.job, tuning.recipe.data
    hyperparameters = _hyperparameters(tuning.recipe)
    return FineTuningJob(
        id=job.id,
        created_at=_seconds(job.created_at),
        finished_at=_seconds_or_none(job.finished_at),
        estimated_finish=_seconds_or_none(tuning.estimated_finish),
        status="validating_files" if tuning.validating else STATUS_OF[job.status],
        error=_error(tuning),
        model=tuning.recipe.model,
        fine_tuned_model=tuning.fine_tuned_model,
        organization_id=tuning.tenant_id,
        training_file=data.train[0].dataset,
        validation_file=tuning.validation_file,
        result_files=list(tuning.result_files),
        trained_tokens=tuning.trained_tokens,
        hyperparameters=hyperparameters,
        method=MethodObject(supervised=SupervisedObject(hyperparameters=hyperparameters)),
        seed=tuning.recipe.seed,
        metadata=job.metadata or None,
    )


def _hyperparameters(recipe: TrainConfig) -> HyperparametersObject:
    training = recipe.resolved().training
    usual = DEFAULT_LEARNING_RATES[recipe.method.kind]
    rate = usual if training.learning_rate == "auto" else training.learning_rate
    return HyperparametersObject(
        n_epochs=training.epochs,
        batch_size=training.batch_size * training.gradient_accumulation,
        learning_rate_multiplier=float(f"{rate / usual:.6g}"),
    )


def _error(tuning: FineTuning) -> JobError | None:
    error = tuning.job.error
    if error is None:
        return None
    param = None
    if tuning.refused_file is not None:
        is_validation = tuning.refused_file == tuning.validation_file
        param = "validation_file" if is_validation else "training_file"
    message = f"{error['message']} ({error['hint']})" if error["hint"] else error["message"]
    return JobError(code=error["reason"], message=message, param=param)


def event_object(entry: HistoryEntry) -> FineTuningEvent:
    """An event as clients read it."""
    return FineTuningEvent(
        id=entry.id,
        created_at=_seconds(entry.time),
        level=entry.level,
        message=entry.message,
        type="message" if entry.metrics is None else "metrics",
        data=entry.metrics,
    )


def checkpoint_object(view: CheckpointView, *, job_id: str) -> Checkpoint:
    """A checkpoint as clients read it."""
    return Checkpoint(
        id=view.id,
        created_at=_seconds(view.created_at),
        fine_tuned_model_checkpoint=view.model,
        fine_tuning_job_id=job_id,
        step_number=view.step,
        metrics=CheckpointMetrics.model_validate({"step": view.step, **view.metrics}),
    )


def _seconds(time: datetime) -> int:
    return int(time.timestamp())


def _seconds_or_none(time: datetime | None) -> int | None:
    return None if time is None else _seconds(time)
