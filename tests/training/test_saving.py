"""Three questions decide how often a run saves and how much it keeps (F71, F74, F75, F184)."""

from pathlib import Path

import pytest

from tunesmith.errors import NotFound
from tunesmith.service.runs import load_recipe
from tunesmith.training.config import TrainConfig
from tunesmith.training.saving import saving_settings, with_needs

VALUES = {"name": "x", "model": "m", "data": {"train": "d"}}


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        ([], (5000, 30, 5)),
        (["none"], (5000, 30, 5)),
        (["plenty-of-disk"], (2000, 30, "all")),
        (["look-back"], (2000, 30, 10)),
        (["stops-often"], (200, 5, 5)),
        (["stops-often", "look-back"], (200, 5, 10)),
        (["stops-often", "plenty-of-disk"], (200, 5, "all")),
        (["look-back", "plenty-of-disk", "stops-often"], (200, 5, "all")),
    ],
)
def test_answers_have_the_figures_of_the_platform(
    needs: list[str], expected: tuple[object, ...]
) -> None:
    recipe = TrainConfig.model_validate(with_needs(VALUES, needs), strict=False)
    saved = recipe.checkpoint
    assert (saved.every_steps, saved.every_minutes, saved.keep) == expected
    assert recipe.warnings() == []


def test_an_unknown_need_names_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="unknown need 'stops'") as error:
        saving_settings(["stops"])
    assert "stops-often" in error.value.hint


def test_what_a_recipe_says_holds_and_a_preset_comes_last(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("{name: x, model: m, data: {train: d}, checkpoint: {keep: 2}}")
    recipe = load_recipe(path, [], preset="basic-4k", needs=["stops-often", "plenty-of-disk"])
    assert (recipe.checkpoint.keep, recipe.checkpoint.every_steps) == (2, 200)
    assert recipe.training.epochs == 6
