"""The train stage: a job and a run folder in, checkpoints, events and an artifact out."""

from pathlib import Path

from tunesmith.artifacts import Manifest, commit_folder, read_manifest, remove_leftovers, write_json
from tunesmith.events import Emit, PhaseStarted, RunStarted, Warned
from tunesmith.modeling.config import SETTINGS
from tunesmith.schema import digest
from tunesmith.stopping import StopSignal
from tunesmith.training.assemble import Parts, assemble
from tunesmith.training.checkpoint import (
    Checkpoint,
    Progress,
    current_environment,
    load_checkpoint,
    newest_intact,
)
from tunesmith.training.job import CHECKPOINTS, RESULT, Extend, Fork, TrainJob
from tunesmith.training.loop import train
from tunesmith.training.plan import TrainingPlan, first_step, plan_training


def run_training(
    job: TrainJob,
    folder: Path,
    *,
    emit: Emit,
    stop: StopSignal,
    plan: TrainingPlan | None = None,
) -> Manifest:
    """Train from the newest intact checkpoint in `folder`, or from the start; commit the result.

    Called again after an interruption, it continues to the same bytes; a finished run returns at
    once.

    Raises:
        Stopped: on request, after a checkpoint. Before the first step, StopNow is raised instead.
        TrainingDiverged: the checkpoints so far stay.
        UserError: the plan does not fit the machine, or the job's inputs are refused.
        OSError: the disk failed or is full; the checkpoints so far stay.
    """
    finished = read_manifest(folder / RESULT)
    if finished is not None:
        return finished
    remove_leftovers(folder / CHECKPOINTS)
    remove_leftovers(folder)
    plan = plan or plan_training(job, runs=folder.parent, emit=emit)
    emit(PhaseStarted(phase="loading", detail=job.base.reference))
    parts = assemble(
        job.config,
        base=Path(job.base.folder),
        batches=plan.batches,
        validation=plan.validation,
        first_step=first_step(job),
    )
    progress = _starting_point(job, parts, folder, emit=emit)
    emit(
        RunStarted(
            total_steps=parts.total_steps, from_step=progress.step, config_digest=job.config.digest
        )
    )
    with stop.deferred():
        progress = train(
            parts,
            progress,
            checkpoints=folder / CHECKPOINTS,
            identity=digest(job.identity),
            emit=emit,
            should_stop=stop.asked,
        )
        emit(PhaseStarted(phase="saving"))
        return _commit_result(job, parts, progress, folder)


def _starting_point(job: TrainJob, parts: Parts, folder: Path, *, emit: Emit) -> Progress:
    """Bring `parts` to where the run goes on: its newest checkpoint, its origin's, or the start."""
    own = newest_intact(folder / CHECKPOINTS)
    if own is not None:
        progress, differences = load_checkpoint(parts, own, identity=digest(job.identity))
    elif isinstance(job.origin, Extend):
        source = Checkpoint(Path(job.origin.checkpoint), job.origin.step)
        progress, differences = load_checkpoint(parts, source, identity=None)
    else:
        if isinstance(job.origin, Fork):
            parts.method.restore(parts.model, job.config.method, Path(job.origin.weights))
            parts.optimizer.adopt()
        return Progress()
    for difference in differences:
        emit(Warned(message=f"the environment changed, bits may differ from here on: {difference}"))
    return progress


def _commit_result(job: TrainJob, parts: Parts, progress: Progress, folder: Path) -> Manifest:
    """Commit the trained part, the settings to use it with, and what it was made from.

    There is no clock and no host name in it: equal runs give equal bytes.
    """
    base = Path(job.base.folder)
    lineage = {
        **job.identity,
        "name": job.config.name,
        "base_reference": job.base.reference,
        "seed": job.config.seed,
        "steps": progress.step,
        "tokens": progress.num_tokens,
        "trained_tokens": progress.num_trained_tokens,
        "environment": current_environment(parts.model.device).model_dump(),
    }

    def write(target: Path) -> None:
        parts.method.save(parts.model, job.config.method, target, base=base)
        write_json(target / SETTINGS, job.settings)

    return commit_folder(
        folder / RESULT, kind=parts.method.output_kind, write=write, lineage=lineage
    )
