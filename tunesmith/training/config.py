"""The recipe: everything that decides what a training run computes. Torch-free."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from tunesmith.data.config import DataConfig
from tunesmith.modeling.config import (
    DEFAULT_LEARNING_RATES,
    LEARNING_RATE_BANDS,
    LoraConfig,
    MethodConfig,
)
from tunesmith.schema import Name, Strict, by_dotted_path, digest, setting, unusual_values


class PlainSchedule(Strict):
    """Schedules without settings of their own."""

    kind: Literal["linear", "cosine", "inverse-sqrt", "constant"] = "linear"


class PolynomialSchedule(Strict):
    """(1 - progress) ** power; power 1 is linear."""

    kind: Literal["polynomial"] = "polynomial"
    power: float = setting(2.0, "exponent of the decay", gt=0, band=(0.5, 4))


class CosineRestartsSchedule(Strict):
    """Several cosine descents, each from the peak to the floor."""

    kind: Literal["cosine-restarts"] = "cosine-restarts"
    cycles: PositiveInt = setting(2, "number of descents", band=(1, 10))


def _from_word(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


ScheduleConfig = Annotated[
    Annotated[
        PlainSchedule | PolynomialSchedule | CosineRestartsSchedule, Field(discriminator="kind")
    ],
    BeforeValidator(_from_word),
]


class TrainingConfig(Strict):
    """How the weights are moved."""

    epochs: int = setting(3, "passes over the data", ge=1, le=50, band=(1, 10))
    batch_size: PositiveInt = setting(
        8, "examples in one packed batch", unit="examples", band=(1, 64)
    )
    gradient_accumulation: PositiveInt = setting(
        1, "batches summed into one optimizer step", unit="batches", band=(1, 64)
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = setting(
        "auto", "peak learning rate; auto is 1e-4 for lora, 2e-5 for full"
    )
    scheduler: ScheduleConfig = setting(
        PlainSchedule(), "course of the learning rate after warm-up"
    )
    min_rate_ratio: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = setting(
        "auto",
        "last step's learning rate as a share of the peak; auto is 0.1 for lora, 1e-5 for full",
    )
    warmup_ratio: Annotated[float, Field(ge=0, le=1)] | Literal["auto"] = setting(
        "auto",
        "share of steps that climb to the peak, rounded up; auto is 0.01 for lora, 0.1 for full",
    )
    weight_decay: float = setting(
        0.0, "AdamW's decoupled decay of matrices", ge=0, le=1, band=(0, 0.1)
    )
    beta1: float = setting(0.9, "AdamW's memory of gradients", ge=0, lt=1, band=(0.8, 0.95))
    beta2: float = setting(
        0.999, "AdamW's memory of squared gradients", ge=0, lt=1, band=(0.9, 0.9999)
    )
    epsilon: float = setting(
        1e-8, "AdamW's guard against division by zero", gt=0, band=(1e-10, 1e-6)
    )
    max_grad_norm: float = setting(1.0, "gradients are scaled down to this norm; 0 never", ge=0)
    evaluate_every: PositiveInt | Literal["epoch"] = setting(
        "epoch", "optimizer steps between validations, or once an epoch", unit="steps"
    )


class CheckpointConfig(Strict):
    """What is kept of the way. The last step is always saved; saving never changes a result."""

    every_steps: PositiveInt = setting(200, "optimizer steps between checkpoints", unit="steps")
    every_minutes: float = setting(
        10.0, "also save when this much time has passed", unit="minutes", gt=0, band=(1, 120)
    )
    keep: PositiveInt | Literal["all"] = setting(
        3, "newest checkpoints kept, or all; the best and those that are pinned stay", band=(1, 20)
    )


Prompt = Annotated[str, Field(min_length=1, max_length=1000)]


def _different(prompts: list[str]) -> list[str]:
    if len(set(prompts)) < len(prompts):
        raise ValueError("each prompt may be given once")
    return prompts


class SamplesConfig(Strict):
    """What the model answers while it learns, to be read; sampling never changes a result."""

    prompts: Annotated[list[Prompt], AfterValidator(_different)] = setting(
        [], "what the model is asked while it learns; none asks nothing", max_length=8
    )
    every_steps: PositiveInt | Literal["validation"] = setting(
        "validation", "optimizer steps between samples, or whenever validation is due", unit="steps"
    )
    max_tokens: int = setting(64, "longest answer", unit="tokens", ge=1, le=512, band=(8, 256))


class TensorboardTracker(Strict):
    """Event files in the run's folder, which TensorBoard reads."""

    kind: Literal["tensorboard"] = "tensorboard"


class ProjectTracker(Strict):
    """Trackers that sort runs by project. Keys and accounts come from their own environment."""

    kind: Literal["trackio", "comet"]
    project: str = setting("tunesmith", "what the tracker files the run under", min_length=1)


class ServerTracker(Strict):
    """Trackers whose server can be chosen."""

    kind: Literal["mlflow", "wandb"]
    project: str = setting(
        "tunesmith", "project, or MLflow's experiment, that the run is filed under", min_length=1
    )
    uri: str | None = setting(
        None, "address of the server; null is what the tracker's own environment says"
    )


TrackerConfig = Annotated[
    Annotated[TensorboardTracker | ProjectTracker | ServerTracker, Field(discriminator="kind")],
    BeforeValidator(_from_word),
]


def _each_once(trackers: list[TrackerConfig]) -> list[TrackerConfig]:
    if len({tracker.kind for tracker in trackers}) < len(trackers):
        raise ValueError("each tracker may be named once")
    return trackers


# What `auto` stands for, by method (F69, F70).
_AUTO_MIN_RATE_RATIO = {"lora": 0.1, "full": 1e-5}
_AUTO_WARMUP_RATIO = {"lora": 0.01, "full": 0.1}

# Settings that may differ between two runs of the same bytes.
_CHANGES_NO_WEIGHT: Any = {
    "name": True,
    "checkpoint": True,
    "samples": True,
    "trackers": True,
    "data": {"max_damaged_percent"},
}


class TrainConfig(Strict):
    """A complete recipe. Its digest is the identity of what a run computes."""

    name: Name = setting(..., "name of the run and of the model that comes out of it")
    model: str = setting(
        ..., "base model: a catalog name, a Hugging Face folder or a GGUF file", min_length=1
    )
    data: DataConfig = setting(..., "what is learnt")
    method: MethodConfig = setting(LoraConfig(), "what becomes trainable")
    training: TrainingConfig = setting(TrainingConfig(), "how the weights are moved")
    checkpoint: CheckpointConfig = setting(CheckpointConfig(), "what is kept of the way")
    samples: SamplesConfig = setting(SamplesConfig(), "what the model is asked while it learns")
    trackers: Annotated[list[TrackerConfig], AfterValidator(_each_once)] = setting(
        [], "where metrics are sent as well: tensorboard, mlflow, trackio, wandb, comet"
    )
    precision: Literal["auto", "bf16", "fp32"] = setting(
        "auto", "number format of products; auto is bf16 where the hardware multiplies it fast"
    )
    seed: int = setting(42, "origin of every random choice", ge=0, lt=2**32)

    def resolved(self) -> "TrainConfig":
        """The same recipe with every `auto` but precision's replaced by the value it stands for."""
        kind, training = self.method.kind, self.training
        values = {
            "learning_rate": _or_auto(training.learning_rate, DEFAULT_LEARNING_RATES[kind]),
            "min_rate_ratio": _or_auto(training.min_rate_ratio, _AUTO_MIN_RATE_RATIO[kind]),
            "warmup_ratio": _or_auto(training.warmup_ratio, _AUTO_WARMUP_RATIO[kind]),
        }
        return self.model_copy(update={"training": training.model_copy(update=values)})

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved recipe without its name and without what changes no weight."""
        return digest(self.resolved().model_dump(mode="json", exclude=_CHANGES_NO_WEIGHT))

    def warnings(self) -> list[str]:
        """One sentence for each unusual value."""
        found = list(unusual_values(self))
        low, high = LEARNING_RATE_BANDS[self.method.kind]
        rate = self.resolved().training.learning_rate
        if rate != "auto" and not low <= rate <= high:
            found.append(
                f"training.learning_rate = {rate:g} is unusual for {self.method.kind}: "
                f"{low:g} to {high:g} is the sensible band"
            )
        return found


def _or_auto(value: float | Literal["auto"], stands_for: float) -> float:
    return stands_for if value == "auto" else value


def changed_settings(before: TrainConfig, after: TrainConfig) -> list[str]:
    """Dotted names of the settings that differ and change what a run computes."""
    left = by_dotted_path(before.resolved().model_dump(mode="json", exclude=_CHANGES_NO_WEIGHT))
    right = by_dotted_path(after.resolved().model_dump(mode="json", exclude=_CHANGES_NO_WEIGHT))
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
