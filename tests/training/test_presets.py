"""Presets: to the digit what they promise, and never over what a recipe says itself."""

import pytest

from tunesmith.errors import NotFound
from tunesmith.evaluation.config import MetricName
from tunesmith.training.config import TrainConfig
from tunesmith.training.presets import PRESETS, with_preset

VALUES = {"name": "x", "model": "m", "data": {"train": "d"}}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_valid_recipe_without_warnings(name: str) -> None:
    recipe = TrainConfig.model_validate(with_preset(VALUES, name), strict=False)
    unusual = [text for text in recipe.warnings() if "learning_rate" not in text]
    assert unusual == []
    assert PRESETS[name].judged_by in {"validation loss", *MetricName.__args__}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("basic", (8, 4, 7.5e-5, 0.067, 0.01)),
        ("nl2sql", (8, 4, 1e-5, 0.067, 0.013)),
        ("nl2json", (8, 3, 7.5e-5, 0.01, 0.01)),
        ("nl2code", (8, 4, 1e-5, 0.067, 0.013)),
        ("basic-4k", (8, 6, 3e-6, 0.01, 0.05)),
    ],
)
def test_tasks_have_the_figures_of_the_platform(name: str, expected: tuple[float, ...]) -> None:
    training = TrainConfig.model_validate(with_preset(VALUES, name), strict=False).training
    assert expected == (
        training.batch_size,
        training.epochs,
        training.learning_rate,
        training.min_rate_ratio,
        training.warmup_ratio,
    )


def test_what_a_recipe_says_holds() -> None:
    values = {**VALUES, "method": {"kind": "full"}, "training": {"epochs": 9}}
    filled = with_preset(values, "quality")
    assert filled["method"] == {"kind": "full"}
    assert filled["training"]["epochs"] == 9
    assert filled["training"]["learning_rate"] == 5e-5
    assert values["training"] == {"epochs": 9}


def test_a_method_that_is_no_group_is_left_to_be_told() -> None:
    assert with_preset({**VALUES, "method": "lora"}, "fast")["method"] == "lora"


def test_an_unknown_preset_names_those_that_there_are() -> None:
    with pytest.raises(NotFound, match="unknown preset 'nl2jsn'") as error:
        with_preset(VALUES, "nl2jsn")
    assert "nl2json" in error.value.hint
