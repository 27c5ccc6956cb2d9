"""Everything that must be known before the first step: examples, steps, memory, disk, warnings."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig

from tunesmith.data.loader import TrainingBatches
from tunesmith.data.tokenize import TokenStore
from tunesmith.errors import NotEnoughDisk, NotEnoughMemory
from tunesmith.events import Emit
from tunesmith.modeling.inspect import ParameterCount, count_parameters
from tunesmith.modeling.load import Dtype, resolve_precision
from tunesmith.modeling.memory import MemoryPlan, plan_memory
from tunesmith.training.checkpoint import free_disk_bytes
from tunesmith.training.examples import RunExamples, prepare_examples
from tunesmith.training.job import Extend, TrainJob
from tunesmith.training.samples import check_prompts
from tunesmith.training.schedule import Schedule, make_schedule
from tunesmith.training.trackers.sinks import check_trackers


@dataclass(frozen=True)
class TrainingPlan:
    """A run before it starts. `disk_bytes` is what its checkpoints and result will take."""

    examples: RunExamples
    batches: TrainingBatches
    parameters: ParameterCount
    memory: MemoryPlan
    disk_bytes: float
    disk_free_bytes: float
    dtype: Dtype
    total_steps: int
    schedule: Schedule
    warnings: tuple[str, ...]

    @property
    def validation(self) -> tuple[TokenStore, NDArray[np.int64]]:
        """The store and the indices that are measured."""
        return self.examples.validation


def plan_training(job: TrainJob, *, runs: Path, emit: Emit) -> TrainingPlan:
    """Choose the examples, and work out steps, memory and disk.

    Raises:
        DatasetRejected: nothing is left to train on, more rows are damaged than allowed, or the end
            of an answer would not be learnt.
        NotEnoughResources: the run would not fit into memory or on the disk.
        ModelRejected: the base model cannot be used.
        RecipeInvalid: a tracker's package is not installed, or samples cannot be asked.
    """
    config = job.config
    check_trackers(config.trackers)
    check_prompts(config, Path(job.base.folder))
    examples = prepare_examples(job, emit=emit)
    batches = TrainingBatches(
        examples.store,
        examples.train,
        batch_size=config.training.batch_size,
        gradient_accumulation=config.training.gradient_accumulation,
        seed=config.seed,
    )
    dtype = resolve_precision(config.precision)
    parameters = count_parameters(Path(job.base.folder), config.method)
    total_steps = config.training.epochs * batches.steps_per_epoch
    plan = TrainingPlan(
        examples=examples,
        batches=batches,
        parameters=parameters,
        memory=_memory(job, batches, examples, parameters, dtype=dtype),
        disk_bytes=_disk_bytes(job, parameters, total_steps),
        disk_free_bytes=free_disk_bytes(runs),
        dtype=dtype,
        total_steps=total_steps,
        schedule=make_schedule(config, total_steps=total_steps, first_step=first_step(job)),
        warnings=tuple(_warnings(job, examples, total_steps)),
    )
    check_resources(plan)
    return plan


def _memory(
    job: TrainJob,
    batches: TrainingBatches,
    examples: RunExamples,
    parameters: ParameterCount,
    *,
    dtype: Dtype,
) -> MemoryPlan:
    stores = (examples.store, examples.validation[0])
    return plan_memory(
        AutoConfig.from_pretrained(Path(job.base.folder), local_files_only=True),
        parameters,
        job.config.method,
        dtype=dtype,
        batch_tokens=batches.most_tokens(),
        longest=max(int(np.diff(store.starts).max()) for store in stores),
    )


def _disk_bytes(job: TrainJob, parameters: ParameterCount, total_steps: int) -> float:
    """Checkpoints that exist at one time, weights and three float32 copies each, and the result."""
    checkpoint = job.config.checkpoint
    saved = total_steps // checkpoint.every_steps + 2
    kept = saved if checkpoint.keep == "all" else min(saved, checkpoint.keep + 2)
    per_checkpoint = parameters.num_trainable * 4 * 4
    return kept * per_checkpoint + parameters.num_trainable * 4


def _warnings(job: TrainJob, examples: RunExamples, total_steps: int) -> Iterator[str]:
    config = job.config
    yield from config.warnings()
    if config.checkpoint.every_steps > total_steps:
        yield (
            f"checkpoint.every_steps = {config.checkpoint.every_steps} exceeds the run's "
            f"{total_steps} steps: only validations, minutes and the last step are saved"
        )
    for use in examples.uses:
        report = use.report
        if report.num_truncated:
            yield (
                f"{use.name}: {report.num_truncated:,} examples are cut at data.max_length = "
                f"{config.data.max_length} tokens (rows {_listed(report.truncated_rows)})"
            )
        if report.num_unusable:
            yield (
                f"{use.name}: {report.num_unusable:,} examples have nothing to train and are left "
                f"out (rows {_listed(report.unusable_rows)})"
            )
        if report.num_short:
            yield (
                f"{use.name}: {report.num_short:,} passages are shorter than "
                f"data.passages.skip_shorter_than or blank and are left out"
            )


def _listed(rows: list[int]) -> str:
    shown = ", ".join(str(row) for row in rows[:5])
    return f"{shown}, ..." if len(rows) > 5 else shown


def check_resources(plan: TrainingPlan) -> None:
    """Refuse a plan that does not fit the machine.

    Raises:
        NotEnoughMemory: it needs more than is free.
        NotEnoughDisk: its checkpoints need more than is free.
    """
    if plan.memory.needed > plan.memory.available:
        raise NotEnoughMemory(
            f"training would need {plan.memory}",
            hint="lower training.batch_size (and raise gradient_accumulation) or data.max_length",
        )
    if plan.disk_bytes > plan.disk_free_bytes:
        raise NotEnoughDisk(
            f"checkpoints would need {plan.disk_bytes / 1e9:.1f} GB of disk, "
            f"{plan.disk_free_bytes / 1e9:.1f} GB are free",
            hint="set checkpoint.keep to a smaller number",
        )


def first_step(job: TrainJob) -> int:
    """The step at which the run's own schedule begins: 0, or where the extended run ended."""
    return job.origin.step if isinstance(job.origin, Extend) else 0
