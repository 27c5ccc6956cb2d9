"""Several runs of one recipe: every combination of values that are to be tried (F58)."""

from collections.abc import Mapping, Sequence
from typing import Any

from tunesmith.service.access import Actor
from tunesmith.service.grids import spread
from tunesmith.service.job_requests import JobOptions, TrainRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.runs import recipe_of
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job


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
