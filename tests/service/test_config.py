import pytest

from tunesmith.errors import RecipeInvalid
from tunesmith.service.config import load_config


def test_a_misspelt_variable_is_refused_and_other_commands_variables_are_not() -> None:
    others = {
        "TUNESMITH_HOME": "/data",
        "TUNESMITH_SERVER": "https://there",
        "TUNESMITH_DEBUG": "1",
    }
    assert load_config(None, environment={**others, "TUNESMITH_PORT": "7000"}).port == 7000
    with pytest.raises(RecipeInvalid, match="TUNESMITH_PRT is no setting") as refusal:
        load_config(None, environment={"TUNESMITH_PRT": "7000"})
    assert refusal.value.hint == "did you mean TUNESMITH_PORT?"
