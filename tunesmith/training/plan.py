"""Everything that can be known before the first step: data as tokens, steps, memory, disk, warnings."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig

from tunesmith.data.dataset import open_version
from tunesmith.data.loader import TrainingBatches
from tunesmith.data.split import split_examples, take_validation
from tunesmith.data.tokenize import TokenStore, concatenate, tokenize_dataset
from tunesmith.errors import DatasetRejected, NotEnoughResources
from tunesmith.events import Emit, PhaseStarted
from tunesmith.modeling.inspect import ParameterCount, count_parameters
from tunesmith.modeling.load import Dtype, resolve_precision
from tunesmith.modeling.memory import MemoryPlan, plan_memory
from tunesmith.text.codec import TextCodec
from tunesmith.training.checkpoint import free_disk_bytes
from tunesmith.training.job import Extend, PinnedDataset, TrainJob
from tunesmith.training.schedule import Schedule, make_schedule


@dataclass(frozen=True)
class TrainingPlan:
    """A run before it starts. `disk_bytes` is what its checkpoints and result will take."""

    batches: TrainingBatches
    validation: tuple[TokenStore, NDArray[np.int64]]
    stores: tuple[TokenStore, ...]
    parameters: ParameterCount
    memory: MemoryPlan
    disk_bytes: float
    disk_free_bytes: float
    dtype: Dtype
    total_steps: int
    schedule: Schedule
    warnings: tuple[str, ...]


def plan_training(job: TrainJob, *, runs: Path, emit: Emit) -> TrainingPlan:
    """Tokenize (or find the cached tokens), split, and work out steps, memory and disk.

    Raises:
        DatasetRejected: nothing is left to train on.
        NotEnoughResources: the run would not fit into memory or on the disk.
        ModelRejected: the base model cannot be used.
    """
    config = job.config
    codec = TextCodec.from_folder(Path(job.base.folder))
    stores = [_tokens(job, dataset, codec, emit=emit) for dataset in job.train]
    store = concatenate(stores)
    split = split_examples(len(store), config.data.validation, seed=config.seed)
    if len(split.train) == 0:
        raise DatasetRejected(f"{job.train[0].reference}: no example is left to train on")
    batches = TrainingBatches(
        store,
        split.train,
        batch_size=config.training.batch_size,
        gradient_accumulation=config.training.gradient_accumulation,
        seed=config.seed,
    )
    plan = _figures(job, batches, (store, split.validation), tuple(stores), runs=runs)
    if job.validation is not None:
        held_out = _tokens(job, job.validation, codec, emit=emit)
        chosen = take_validation(len(held_out), config.data.validation, seed=config.seed)
        plan = _figures(job, batches, (held_out, chosen), (*stores, held_out), runs=runs)
    _check_resources(plan)
    return plan


def _tokens(job: TrainJob, dataset: PinnedDataset, codec: TextCodec, *, emit: Emit) -> TokenStore:
    emit(PhaseStarted(phase="tokenizing", detail=dataset.reference))
    data = job.config.data
    return tokenize_dataset(
        open_version(Path(dataset.folder)),
        codec,
        max_length=data.max_length,
        system_prompt=data.system_prompt,
        train_on=data.train_on,
        cache=Path(job.cache),
    )


def _figures(
    job: TrainJob,
    batches: TrainingBatches,
    validation: tuple[TokenStore, NDArray[np.int64]],
    stores: tuple[TokenStore, ...],
    *,
    runs: Path,
) -> TrainingPlan:
    config, base = job.config, Path(job.base.folder)
    dtype = resolve_precision(config.precision)
    parameters = count_parameters(base, config.method)
    memory = plan_memory(
        AutoConfig.from_pretrained(base, local_files_only=True),
        parameters,
        config.method,
        dtype=dtype,
        batch_tokens=batches.most_tokens(),
        longest=max(int(np.diff(store.starts).max()) for store in stores),
    )
    total_steps = config.training.epochs * batches.steps_per_epoch
    return TrainingPlan(
        batches=batches,
        validation=validation,
        stores=stores,
        parameters=parameters,
        memory=memory,
        disk_bytes=_disk_bytes(job, parameters, total_steps),
        disk_free_bytes=free_disk_bytes(runs),
        dtype=dtype,
        total_steps=total_steps,
        schedule=make_schedule(config, total_steps=total_steps, first_step=first_step(job)),
        warnings=tuple(_warnings(job, stores, total_steps)),
    )


def _disk_bytes(job: TrainJob, parameters: ParameterCount, total_steps: int) -> float:
    """Checkpoints that exist at one time, each with weights and three float32 copies, and the result."""
    checkpoint = job.config.checkpoint
    saved = total_steps // checkpoint.every_steps + 2
    kept = saved if checkpoint.keep == "all" else min(saved, checkpoint.keep + 2)
    per_checkpoint = parameters.num_trainable * 4 * 4
    return kept * per_checkpoint + parameters.num_trainable * 4


def _warnings(job: TrainJob, stores: tuple[TokenStore, ...], total_steps: int) -> list[str]:
    found = job.config.warnings()
    if job.config.checkpoint.every_steps > total_steps:
        found.append(
            f"checkpoint.every_steps = {job.config.checkpoint.every_steps} exceeds the run's "
            f"{total_steps} steps: only validations, minutes and the last step are saved"
        )
    for store in stores:
        if store.report.num_truncated:
            found.append(
                f"{store.report.num_truncated} examples are longer than data.max_length = "
                f"{job.config.data.max_length} tokens and were cut"
            )
        if store.report.num_unusable:
            found.append(
                f"{store.report.num_unusable} examples have nothing to train and are left out"
            )
    return found


def _check_resources(plan: TrainingPlan) -> None:
    if plan.memory.needed > plan.memory.available:
        raise NotEnoughResources(
            f"training would need {plan.memory}",
            hint="lower training.batch_size (and raise gradient_accumulation) or data.max_length",
        )
    if plan.disk_bytes > plan.disk_free_bytes:
        raise NotEnoughResources(
            f"checkpoints would need {plan.disk_bytes / 1e9:.1f} GB of disk, "
            f"{plan.disk_free_bytes / 1e9:.1f} GB are free",
            hint="set checkpoint.keep to a smaller number",
        )


def first_step(job: TrainJob) -> int:
    """The step at which the run's own schedule begins: 0, or where the run that it extends ended."""
    return job.origin.step if isinstance(job.origin, Extend) else 0
