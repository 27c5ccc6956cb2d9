"""Checkpoints: complete or not there, exact, and never fewer than promised.

A checkpoint holds the trained part in its final format (so it can be used as it is), the
optimizer's float32 state, the random state and the progress. The loader needs the step alone.
"""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch
import transformers
from safetensors.torch import load_file, save_file

import tunesmith
from tunesmith.artifacts import (
    commit_folder,
    delete_folder,
    is_intact,
    write_json,
)
from tunesmith.errors import ResumeRefused
from tunesmith.schema import Strict
from tunesmith.training.assemble import Parts
from tunesmith.training.pins import committed_steps, nobody_pins, pinned_steps

KIND = "checkpoint"
_OPTIMIZER, _RANDOM, _STATE = "optimizer.safetensors", "random.safetensors", "state.json"


class Environment(Strict):
    """What the promise of equal bits is bound to."""

    tunesmith: str
    torch: str
    transformers: str
    machine: str
    cpu_capability: str
    num_threads: int
    device: str


class Progress(Strict):
    """How far a run is. `best_step` is the checkpointed step of the lowest validation loss."""

    step: int = 0
    num_tokens: int = 0
    num_trained_tokens: int = 0
    best_loss: float | None = None
    best_step: int | None = None


class State(Strict):
    """The small part of a checkpoint, `state.json`."""

    identity: str
    progress: Progress
    environment: Environment


@dataclass(frozen=True)
class Checkpoint:
    """A committed checkpoint folder."""

    folder: Path
    step: int

    @property
    def weights(self) -> Path:
        """The trained part, as the method saves it."""
        return self.folder / "weights"


def current_environment(device: torch.device) -> Environment:
    """The software and hardware of this process, as far as it decides bits."""
    return Environment(
        tunesmith=tunesmith.__version__,
        torch=torch.__version__,
        transformers=transformers.__version__,
        machine=platform.machine(),
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        num_threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
    )


def save_checkpoint(parts: Parts, progress: Progress, *, into: Path, identity: str) -> Checkpoint:
    """Commit the state of the run after `progress.step` steps."""

    def write(folder: Path) -> None:
        (folder / "weights").mkdir()
        parts.method.save(parts.model, parts.config.method, folder / "weights", base=parts.base)
        save_file(parts.optimizer.state(), folder / _OPTIMIZER)
        save_file(_random_state(), folder / _RANDOM)
        state = State(
            identity=identity,
            progress=progress,
            environment=current_environment(parts.model.device),
        )
        write_json(folder / _STATE, state.model_dump(mode="json"))

    folder = into / f"step-{progress.step:08d}"
    if not is_intact(folder):  # a resumed run may pass a step that is saved already
        commit_folder(folder, kind=KIND, write=write)
    return Checkpoint(folder, progress.step)


def load_checkpoint(
    parts: Parts, checkpoint: Checkpoint, *, identity: str | None
) -> tuple[Progress, list[str]]:
    """Put `parts` into the saved state; return the progress, and what differs in the environment.

    `identity` None takes a checkpoint of any run, for a run that extends another.

    Raises:
        ResumeRefused: the checkpoint belongs to a different recipe, dataset or base model.
    """
    state = read_state(checkpoint)
    if identity is not None and state.identity != identity:
        raise ResumeRefused(
            f"{checkpoint.folder.name} was saved under a different recipe, dataset or base model",
            hint="start a new run from it (tunesmith train RECIPE --from RUN) or extend the run",
        )
    parts.method.restore(parts.model, parts.config.method, checkpoint.weights)
    parts.optimizer.load(load_file(checkpoint.folder / _OPTIMIZER))
    _set_random_state(load_file(checkpoint.folder / _RANDOM))
    return state.progress, _differences(state.environment, current_environment(parts.model.device))


def read_state(checkpoint: Checkpoint) -> State:
    """The small part of a checkpoint."""
    return State.model_validate_json((checkpoint.folder / _STATE).read_text("utf-8"))


def committed_checkpoints(folder: Path) -> list[Checkpoint]:
    """The committed checkpoints in `folder`, oldest first; unfinished ones are not seen."""
    return [Checkpoint(path, step) for step, path in committed_steps(folder).items()]


def newest_intact(folder: Path) -> Checkpoint | None:
    """The newest checkpoint whose every byte matches its manifest."""
    return next((c for c in reversed(committed_checkpoints(folder)) if is_intact(c.folder)), None)


def delete_superseded(folder: Path, *, keep: int | Literal["all"], best_step: int | None) -> None:
    """Keep the `keep` newest checkpoints, the best one and those that are pinned.

    Call it after a newer one is durable.
    """
    if keep == "all":
        return
    with nobody_pins(folder):
        kept = {best_step, *pinned_steps(folder)}
        for checkpoint in committed_checkpoints(folder)[:-keep]:
            if checkpoint.step not in kept:
                delete_folder(checkpoint.folder)


def _random_state() -> dict[str, torch.Tensor]:
    """Torch's generators, for dropout. All else in a step is a function of the step's number."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_random_state(state: dict[str, torch.Tensor]) -> None:
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def _differences(before: Environment, now: Environment) -> list[str]:
    old, new = before.model_dump(), now.model_dump()
    return [f"{key} was {old[key]}, is {new[key]}" for key in old if old[key] != new[key]]


def free_disk_bytes(folder: Path) -> int:
    """Free space of the disk that holds `folder` or its nearest existing parent."""
    while not folder.exists():
        folder = folder.parent
    return psutil.disk_usage(str(folder)).free
