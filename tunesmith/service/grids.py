"""Values that are to be tried: a recipe for every combination of them."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from tunesmith.errors import RecipeInvalid
from tunesmith.schema import parse_yaml, with_overrides

MOST_COMPARED = 8  # runs whose curves can be told apart


def read_grid(tries: Sequence[str]) -> dict[str, list[Any]]:
    """The values to try by dotted path, of texts such as `training.learning_rate=1e-4 | 3e-4`.

    Raises:
        RecipeInvalid: one names no values, or a value is no YAML.
    """
    grid: dict[str, list[Any]] = {}
    for each in tries:
        path, _, text = each.partition("=")
        parts = [part for part in text.split("|") if part.strip()]
        if not (path.strip() and parts):
            raise RecipeInvalid(
                f"--try {each}: expected key=value | value",
                hint="for example training.learning_rate='1e-4 | 3e-4'",
            )
        grid[path.strip()] = [parse_yaml(part, source=f"--try {path}") for part in parts]
    return grid


def spread(values: dict[str, Any], grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """A recipe's values for every combination of a grid's, which has them by dotted path.

    They are named NAME-1, NAME-2 and so on. Without a grid there is one, as it is.

    Raises:
        RecipeInvalid: there are too many combinations, or a path leads through a value.
    """
    if not grid:
        return [values]
    num_runs = prod(map(len, grid.values()))
    if num_runs > MOST_COMPARED:
        raise RecipeInvalid(
            f"{next(iter(grid))}: {num_runs} runs are too many at once",
            hint=f"try at most {MOST_COMPARED} combinations",
        )
    return [
        with_overrides(
            {**values, "name": f"{values['name']}-{number}"},
            [f"{path}={json.dumps(value)}" for path, value in zip(grid, combination, strict=True)],
        )
        for number, combination in enumerate(product(*grid.values()), start=1)
    ]
