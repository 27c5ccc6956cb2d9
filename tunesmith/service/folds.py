"""Cross-validation: the same recipe once for each part that is held out (F34)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

from tunesmith.errors import NotFound
from tunesmith.schema import validate
from tunesmith.service.run_views import RunView, view_run
from tunesmith.training.config import TrainConfig


def fold_recipes(config: TrainConfig, folds: int) -> list[TrainConfig]:
    """A recipe for each fold, named NAME-fold1 and so on.

    Raises:
        RecipeInvalid: the name leaves no room for the fold's.
    """
    values = config.model_dump(mode="json")
    seed = getattr(config.data.validation, "seed", None)
    recipes: list[TrainConfig] = []
    for fold in range(1, folds + 1):
        validation = {"kind": "fold", "folds": folds, "fold": fold, "seed": seed}
        data = {**values["data"], "validation": validation}
        changed = {**values, "name": f"{config.name}-fold{fold}", "data": data}
        recipes.append(validate(TrainConfig, changed, source=f"fold {fold}"))
    return recipes


@dataclass(frozen=True)
class CrossValidation:
    """The runs of all folds; mean and sample standard deviation of their last validation losses."""

    runs: list[RunView]
    mean: float
    deviation: float


def cross_validate(folders: Sequence[Path]) -> CrossValidation:
    """What the finished runs of two or more folds come to.

    Raises:
        NotFound: a run measured no validation loss.
    """
    views = [view_run(folder) for folder in folders]
    losses: list[float] = []
    for view in views:
        if view.validation_loss is None:
            raise NotFound(f"run {view.name} measured no validation loss")
        losses.append(view.validation_loss)
    return CrossValidation(views, mean=mean(losses), deviation=stdev(losses))
