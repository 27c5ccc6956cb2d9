"""A training run as it is handed to the engine: the recipe with every name pinned. Torch-free."""

from typing import Annotated, Literal

from pydantic import Field

from tunesmith.schema import Strict
from tunesmith.training.config import TrainConfig

CHECKPOINTS, RESULT = "checkpoints", "result"  # folders within a run's folder


class PinnedDataset(Strict):
    """A dataset version: its identity and where it lies."""

    reference: str
    version: str
    folder: str


class PinnedModel(Strict):
    """A base model: its identity and where it lies."""

    reference: str
    digest: str
    folder: str


class Fork(Strict):
    """Begin with the weights of another run's checkpoint; all else starts anew."""

    kind: Literal["fork"] = "fork"
    run_id: str
    step: int
    weights: str


class Extend(Strict):
    """Go on after another run's last checkpoint, in step, weights, optimizer and random state."""

    kind: Literal["extend"] = "extend"
    run_id: str
    step: int
    checkpoint: str


class TrainJob(Strict):
    """Everything the engine needs to know; written to `job.json` and never changed."""

    kind: Literal["train"] = "train"
    run_id: str
    config: TrainConfig
    train: list[PinnedDataset]
    mix: PinnedDataset | None = None
    validation: PinnedDataset | None = None
    base: PinnedModel
    origin: Annotated[Fork | Extend, Field(discriminator="kind")] | None = None
    cache: str

    @property
    def datasets(self) -> list[PinnedDataset]:
        """Every dataset version the run reads."""
        return [*self.train, *(each for each in (self.mix, self.validation) if each)]

    @property
    def identity(self) -> dict[str, object]:
        """What decides the resulting bytes, beside code and machine."""
        origin = self.origin
        return {
            "config": self.config.digest,
            "train": [dataset.version for dataset in self.train],
            "mix": self.mix.version if self.mix else None,
            "validation": self.validation.version if self.validation else None,
            "base": self.base.digest,
            "origin": f"{origin.kind} {origin.run_id} {origin.step}" if origin else None,
        }

    @property
    def settings(self) -> dict[str, object]:
        """What using the trained part as it was trained takes; kept beside it."""
        return {
            "name": self.config.name,
            "base": self.base.model_dump(),
            "system_prompt": self.config.data.system_prompt,
            "recipe": self.config.resolved().model_dump(mode="json"),
        }


class PreflightJob(Strict):
    """Find out what a run would train on what, and what it would take, without running it."""

    kind: Literal["preflight"] = "preflight"
    run: TrainJob
