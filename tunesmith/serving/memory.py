"""How much memory an engine will take, before it takes it (F16, F17)."""

from dataclasses import dataclass

from tunesmith.errors import NotEnoughMemory
from tunesmith.modeling.memory import available_bytes
from tunesmith.serving.cache import CacheShape
from tunesmith.serving.config import EngineConfig

_GB = 1e9


@dataclass(frozen=True)
class ServingPlan:
    """Bytes by cause, beyond what this process has now."""

    weights: float
    cache: float
    prefixes: float
    step: float

    @property
    def needed(self) -> float:
        """The sum of all causes."""
        return self.weights + self.cache + self.prefixes + self.step


def plan_serving(
    shape: CacheShape, config: EngineConfig, *, num_parameters: int, num_ids: int, inner_size: int
) -> ServingPlan:
    """Estimate what loading a base model takes.

    `step` is the largest step: logits of every answer in float32 twice, and the widest layer's
    activations of all its rows, of which three are alive at once.
    """
    num_rows = config.step_tokens + config.max_sequences
    return ServingPlan(
        weights=num_parameters * shape.dtype.itemsize,
        cache=config.kv_tokens * shape.bytes_per_token,
        prefixes=config.prefix_tokens * shape.bytes_per_token,
        step=config.max_sequences * num_ids * 4 * 2
        + num_rows * inner_size * 3 * shape.dtype.itemsize,
    )


def check_room(needed: float, *, what: str, hint: str = "") -> None:
    """Refuse what would not fit beside all that is in memory already.

    Raises:
        NotEnoughMemory: with both figures.
    """
    available = available_bytes()
    if needed > available:
        raise NotEnoughMemory(
            f"{what} needs {needed / _GB:.2f} GB of memory, {available / _GB:.2f} GB are free",
            hint=hint or "unload another model or adapter first",
        )
