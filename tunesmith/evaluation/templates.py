"""Templates of prompts: `{{prompt}}` is what a person says, other names are values of theirs."""

import re
from collections.abc import Mapping

from tunesmith.errors import RecipeInvalid

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def variables_in(template: str) -> set[str]:
    """The names that stand in double braces in `template`."""
    return set(_VARIABLE.findall(template))


def fill_in(template: str, values: Mapping[str, str]) -> str:
    """`template` with the value of each name in its place."""
    return _VARIABLE.sub(lambda match: values[match[1]], template)


def check_template(template: str, *, source: str) -> None:
    """Refuse a template that leaves out what a person says: it would ask the same every time.

    Raises:
        RecipeInvalid: it does.
    """
    if "prompt" not in variables_in(template):
        raise RecipeInvalid(
            f"{source} has no {{{{prompt}}}}, so what a person says would be left out",
            hint="write {{prompt}} where that goes, for example at the end",
        )
