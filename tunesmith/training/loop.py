"""The training loop. Start reading here."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from tunesmith.errors import Stopped, TrainingDiverged
from tunesmith.events import CheckpointSaved, Emit, Evaluated, RunPaused, StepDone
from tunesmith.failpoints import failpoint
from tunesmith.training.assemble import Parts
from tunesmith.training.checkpoint import Progress, delete_superseded, save_checkpoint
from tunesmith.training.evaluate import evaluate
from tunesmith.training.samples import sample


@dataclass(frozen=True)
class StepResult:
    """What one optimizer step measured, before its update.

    Attributes:
        loss: mean over its trained tokens, in nats.
        accuracy: share of its trained tokens that were the most likely ones.
        grad_norm: before clipping.
        num_tokens: of this replica.
        num_trained_tokens: of all replicas.
    """

    loss: float
    accuracy: float
    grad_norm: float
    num_tokens: int
    num_trained_tokens: int


def train_step(parts: Parts, step: int) -> StepResult:
    """Take optimizer step `step`, counted from 0.

    Losses are summed, then divided once by the step's count of trained tokens, so every token
    weighs the same whichever batch or replica holds it. A mean of batch means would favour short
    rows.

    Raises:
        TrainingDiverged: the loss or the gradient norm is not finite; no update was made.
    """
    batches = parts.batches.of_step(step)
    num_trained = parts.replicas.sum(sum(batch.num_trained_tokens for batch in batches))

    summed_loss = num_correct = 0.0
    for batch in batches:
        scored = parts.objective(parts.model, batch)  # sums over trained tokens
        # Replicas average gradients; times their count, that average is a sum again.
        parts.replicas.backward(scored.loss * (parts.replicas.count / num_trained))
        summed_loss += float(scored.loss.detach())
        num_correct += int(scored.num_correct)

    masters = parts.optimizer.masters.values()
    grad_norm = parts.replicas.clip_grad_norm(masters, parts.config.training.max_grad_norm)
    mean_loss = parts.replicas.sum(summed_loss) / num_trained
    if not (isfinite(mean_loss) and isfinite(grad_norm)):
        raise TrainingDiverged(
            f"step {step + 1}: loss {mean_loss:g}, gradient norm {grad_norm:g}; no update was made",
            hint="lower training.learning_rate, or look at the step's examples with data preview",
        )
    parts.optimizer.step(learning_rate=parts.schedule.rate(step))
    return StepResult(
        loss=mean_loss,
        accuracy=parts.replicas.sum(num_correct) / num_trained,
        grad_norm=grad_norm,
        num_tokens=sum(batch.num_tokens for batch in batches),
        num_trained_tokens=int(num_trained),
    )


def train(
    parts: Parts,
    progress: Progress,
    *,
    checkpoints: Path,
    identity: str,
    emit: Emit,
    should_stop: Callable[[], bool],
    clock: Callable[[], float] = time.monotonic,
) -> Progress:
    """Take the steps that `progress` has not taken yet; return the final progress.

    Raises:
        Stopped: `should_stop` asked for it; the last step taken is checkpointed.
        TrainingDiverged: see `train_step`.
    """
    if progress.step == 0:
        _sample(parts, 0, emit=emit)
    last_saved = clock()
    while progress.step < parts.total_steps:
        started = clock()
        result = train_step(parts, progress.step)
        progress = _after(progress, result)
        failpoint("loop.after_step")
        emit(_step_event(parts, progress, result, seconds=clock() - started))

        best = False
        if _evaluation_due(parts, progress.step):
            evaluated = evaluate(parts, step=progress.step)
            emit(evaluated)
            best = progress.best_loss is None or evaluated.loss < progress.best_loss
            if best:
                progress = _with_best(progress, evaluated)
        _sample(parts, progress.step, emit=emit)

        stopping = should_stop() and progress.step < parts.total_steps
        minutes = (clock() - last_saved) / 60
        if best or stopping or _checkpoint_due(parts, progress.step, minutes=minutes):
            begun = clock()
            save_checkpoint(parts, progress, into=checkpoints, identity=identity)
            last_saved = clock()
            emit(CheckpointSaved(step=progress.step, seconds=last_saved - begun))
            keep = parts.config.checkpoint.keep
            delete_superseded(checkpoints, keep=keep, best_step=progress.best_step)
        if stopping:
            emit(RunPaused(step=progress.step))
            raise Stopped(f"stopped after step {progress.step} of {parts.total_steps}")
    return progress


def _after(progress: Progress, result: StepResult) -> Progress:
    return progress.model_copy(
        update={
            "step": progress.step + 1,
            "num_tokens": progress.num_tokens + result.num_tokens,
            "num_trained_tokens": progress.num_trained_tokens + result.num_trained_tokens,
        }
    )


def _with_best(progress: Progress, evaluated: Evaluated) -> Progress:
    return progress.model_copy(update={"best_loss": evaluated.loss, "best_step": progress.step})


def _step_event(
    parts: Parts, progress: Progress, result: StepResult, *, seconds: float
) -> StepDone:
    return StepDone(
        step=progress.step,
        epoch=progress.step / parts.batches.steps_per_epoch,
        loss=result.loss,
        accuracy=result.accuracy,
        learning_rate=parts.schedule.rate(progress.step - 1),
        grad_norm=result.grad_norm,
        num_tokens=result.num_tokens,
        num_trained_tokens=result.num_trained_tokens,
        seconds=seconds,
    )


def _evaluation_due(parts: Parts, step: int) -> bool:
    _, indices = parts.validation
    return len(indices) > 0 and _at_validation(parts, step)


def _at_validation(parts: Parts, step: int) -> bool:
    """Whether validation has its turn, with examples to measure or without."""
    every = parts.config.training.evaluate_every
    period = parts.batches.steps_per_epoch if every == "epoch" else every
    return step % period == 0 or step == parts.total_steps


def _sample(parts: Parts, step: int, *, emit: Emit) -> None:
    """Tell what the model answers, where that is due: at the start, on the way, at the end."""
    every = parts.config.samples.every_steps
    due = _at_validation(parts, step) if every == "validation" else step % every == 0
    if parts.chat is not None and (due or step == parts.total_steps):
        for answer in sample(parts.chat, parts.config, step=step):
            emit(answer)


def _checkpoint_due(parts: Parts, step: int, *, minutes: float) -> bool:
    checkpoint = parts.config.checkpoint
    return (
        step == parts.total_steps
        or step % checkpoint.every_steps == 0
        or minutes >= checkpoint.every_minutes
    )
