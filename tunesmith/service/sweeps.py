"""Several runs of one recipe: every combination of values that are to be tried (F58)."""

import json
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from tunesmith.errors import RecipeInvalid
from tunesmith.schema import with_overrides
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import JobOptions, TrainRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.run_differences import MOST_COMPARED
from tunesmith.service.runs import recipe_of
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job


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


def submit_sweep(
    services: Services,
    request: TrainRequest,
    *,
    grid: Mapping[str, Sequence[Any]],
    actor: Actor,
    options: JobOptions,
    idempotency_key: str | None = None,
) -> list[JobView]:
    """Queue a run for every combination of `grid`; asked again with the key, they are the same.

    Every recipe is checked before the first run is queued.

    Raises:
        RecipeInvalid: a combination is no recipe, or there are too many.
        NotFound: a dataset, model, run or channel of that name does not exist.
        Conflict: the key was used for something else.
        QuotaExceeded: too many jobs of the tenant wait; those before stay queued.
        AccessDenied: the recipe names a tracker's address.
        ModelRejected: the model is a sentence encoder.
    """
    recipes = [recipe_of(each) for each in spread(request.recipe.model_dump(mode="json"), grid)]
    return [
        submit_job(
            services,
            request.model_copy(update={"recipe": recipe}),
            actor=actor,
            options=options,
            idempotency_key=f"{idempotency_key}:{number}" if idempotency_key else None,
        )
        for number, recipe in enumerate(recipes, start=1)
    ]
