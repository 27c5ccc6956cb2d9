"""The preflight: what a user should see of a plan before the first step, as figures."""

from dataclasses import dataclass

from tunesmith.data.leakage import Leakage, find_leakage
from tunesmith.events import Emit, PhaseStarted
from tunesmith.modeling.load import Dtype
from tunesmith.training.config import TrainConfig
from tunesmith.training.estimate import estimate_seconds
from tunesmith.training.examples import DatasetUse
from tunesmith.training.job import PinnedModel, TrainJob
from tunesmith.training.plan import TrainingPlan


@dataclass(frozen=True)
class Preflight:
    """A plan in figures.

    Attributes:
        data: what became of each dataset's rows, and its part of an epoch.
        mix_ratio: share of the mix's tokens in an epoch; None without a mix.
        num_examples: examples an epoch, repeats counted.
        num_tokens: real tokens an epoch; there is no padding.
        num_trained_tokens: of those, the ones that the loss counts.
        num_validation_examples: examples that are measured.
        num_parameters: of the model with what the method adds.
        seconds: estimated time of training and validation.
        leakage: validation examples that are trained on as well.
        memory_parts: what `memory_bytes` is made of, by cause.
        disk_bytes: what checkpoints and result will take.
    """

    config: TrainConfig
    base: PinnedModel
    dtype: Dtype
    data: tuple[DatasetUse, ...]
    mix_ratio: float | None
    num_examples: int
    num_tokens: int
    num_trained_tokens: int
    num_validation_examples: int
    num_parameters: int
    num_trainable: int
    steps_per_epoch: int
    total_steps: int
    peak_rate: float
    floor_rate: float
    num_warmup_steps: int
    seconds: float
    memory_bytes: float
    memory_parts: dict[str, float]
    memory_free_bytes: float
    disk_bytes: float
    disk_free_bytes: float
    leakage: Leakage
    warnings: tuple[str, ...]


def check_plan(job: TrainJob, plan: TrainingPlan, *, emit: Emit) -> Preflight:
    """Estimate the time, look for leakage, and gather the figures; takes seconds."""
    emit(PhaseStarted(phase="looking for validation examples in the training data"))
    leakage = find_leakage(plan.examples.rows)
    shares = [use.share for use in plan.examples.uses if use.share]
    num_tokens = sum(share.num_tokens for share in shares)
    return Preflight(
        config=job.config,
        base=job.base,
        dtype=plan.dtype,
        data=plan.examples.uses,
        mix_ratio=shares[-1].num_tokens / num_tokens if job.mix else None,
        num_examples=len(plan.examples.train),
        num_tokens=num_tokens,
        num_trained_tokens=sum(share.num_trained_tokens for share in shares),
        num_validation_examples=len(plan.validation[1]),
        num_parameters=plan.parameters.total,
        num_trainable=plan.parameters.num_trainable,
        steps_per_epoch=plan.batches.steps_per_epoch,
        total_steps=plan.total_steps,
        peak_rate=plan.schedule.peak,
        floor_rate=plan.schedule.floor,
        num_warmup_steps=plan.schedule.num_warmup_steps,
        seconds=estimate_seconds(job, plan),
        memory_bytes=plan.memory.needed,
        memory_parts=plan.memory.parts,
        memory_free_bytes=plan.memory.available,
        disk_bytes=plan.disk_bytes,
        disk_free_bytes=plan.disk_free_bytes,
        leakage=leakage,
        warnings=(*plan.warnings, *_leakage_warning(leakage)),
    )


def _leakage_warning(leakage: Leakage) -> tuple[str, ...]:
    num_leaked = leakage.num_exact + leakage.num_near
    if num_leaked == 0:
        return ()
    return (
        f"{num_leaked} of {leakage.num_validation} validation examples are in the training data as "
        f"well, {leakage.num_exact} word for word and {leakage.num_near} nearly: validation will "
        "look better than the model is; import again with --deduplicate near",
    )
