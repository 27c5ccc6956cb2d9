"""What to change in a recipe after its training failed, by the reason of the failure."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tunesmith.training.config import TrainConfig

Changes: TypeAlias = dict[str, Any]  # values by dotted path, as `--set` takes them

_SHORTEST = 128  # tokens, below which shorter examples are no remedy


def suggest_changes(recipe: TrainConfig, reason: str) -> Changes:
    """Changes that make the failure less likely; none where the recipe is not the cause."""
    remedy = _REMEDIES.get(reason)
    return remedy(recipe) if remedy is not None else {}


def _smaller(recipe: TrainConfig) -> Changes:
    """Half the examples at once, twice as often: an optimizer step still sees as many."""
    batch_size, accumulation = recipe.training.batch_size, recipe.training.gradient_accumulation
    if batch_size > 1:
        return {
            "training.batch_size": batch_size // 2,
            "training.gradient_accumulation": accumulation * 2,
        }
    shorter = recipe.data.max_length // 2
    return {"data.max_length": shorter} if shorter >= _SHORTEST else {}


def _calmer(recipe: TrainConfig) -> Changes:
    """A third of the rate, and gradients that cannot leap."""
    rate = recipe.resolved().training.learning_rate
    assert rate != "auto"
    calmer: Changes = {"training.learning_rate": float(f"{rate / 3:.0e}")}
    if recipe.training.max_grad_norm == 0:
        calmer["training.max_grad_norm"] = 1.0
    return calmer


def _leaner(recipe: TrainConfig) -> Changes:
    return {"checkpoint.keep": 1} if recipe.checkpoint.keep != 1 else {}


_REMEDIES: Mapping[str, Callable[[TrainConfig], Changes]] = {
    "out_of_memory": _smaller,
    "diverged": _calmer,
    "disk_full": _leaner,
}
