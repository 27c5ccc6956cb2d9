import pytest

from tunesmith.data.config import (
    DataConfig,
    DatasetValidation,
    NoValidation,
    SplitValidation,
    WeightedDataset,
    split_reference,
)
from tunesmith.errors import RecipeInvalid
from tunesmith.schema import validate


def load(**values: object) -> DataConfig:
    return validate(DataConfig, {"train": "chats", **values}, source="recipe.yaml")


def test_defaults() -> None:
    config = load()
    assert config.train == [WeightedDataset(dataset="chats")]
    assert config.validation == SplitValidation(percent=5, max_examples=100, mode="exclude-used")
    assert (config.max_length, config.system_prompt, config.train_on) == (1024, "", "answers")


def test_validation_in_short_and_in_full() -> None:
    assert load(validation="none").validation == NoValidation()
    held_out = DatasetValidation(dataset="held-out@0123abcd")
    assert load(validation="held-out@0123abcd").validation == held_out
    group = {"kind": "dataset", "dataset": "held-out", "pick": "random"}
    assert load(validation=group).validation == DatasetValidation(dataset="held-out", pick="random")


def test_a_reference_has_a_name_and_perhaps_a_version() -> None:
    assert split_reference("chats") == ("chats", "")
    assert split_reference("chats@0123abcd") == ("chats", "0123abcd")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"train": []}, "train"),
        ({"train": "../x"}, "may not contain"),
        ({"train": ["chats@xyz"]}, "4 to 16 of the digits"),
        ({"train": ["chats@"]}, "4 to 16 of the digits"),
        ({"validation": {"kind": "split", "percent": 51}}, "percent"),
        ({"validation": {"kind": "split", "percent": 0}}, "percent"),
        ({"validation": {"kind": "split", "max_examples": 0}}, "max_examples"),
        ({"validation": {"kind": "other"}}, "validation"),
        ({"max_length": 0}, "max_length"),
        ({"train_on": "prompts"}, "train_on"),
        ({"max_lenght": 8}, "did you mean 'max_length'"),
    ],
)
def test_settings_out_of_range_are_refused(values: dict[str, object], sentence: str) -> None:
    with pytest.raises(RecipeInvalid) as caught:
        load(**values)
    assert sentence in str(caught.value)
