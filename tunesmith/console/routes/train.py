"""Training: a form that says at once what it would come to, and starts a run."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Runner, ServicesDep, services_of
from tunesmith.console import recipe_form
from tunesmith.console.pages import go, notice, page_router, render, text_in
from tunesmith.console.train_preview import Posted, look_at
from tunesmith.errors import RecipeInvalid
from tunesmith.modeling.catalog import WRITERS
from tunesmith.schema import MAX_NAME_CHARACTERS, with_overrides
from tunesmith.service import (
    channels,
    dataset_pages,
    jobs,
    operating,
    registry,
    run_pages,
    runs,
    saved_recipes,
)
from tunesmith.service.access import Actor
from tunesmith.service.drafts import DraftView
from tunesmith.service.grids import spread
from tunesmith.service.job_requests import JobOptions, PreflightRequest, Resources, TrainRequest
from tunesmith.service.memory_fit import MemoryFit, judge_fit
from tunesmith.service.recipe_fields import list_methods
from tunesmith.service.saved_recipes import SavedRecipe
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job
from tunesmith.service.sweeps import submit_sweep
from tunesmith.store.tables import TERMINAL
from tunesmith.training.presets import PRESETS
from tunesmith.training.saving import NEEDS, saving_settings

router = page_router()

_MOST_RECIPES = 30
_MOST_CHOICES = 200  # datasets or models that are offered; others are written by name


_EXTRA = ("preset", "yaml", "pool", "cores", "start_from", "key", "recipe_name")
_SEVERAL = ("data.train", "channel", "need")


async def _read(request: Request) -> Posted:
    form = await request.form()
    several = {name: [str(each) for each in form.getlist(name)] for name in _SEVERAL}
    single = {name: str(text) for name, text in form.items() if name not in _SEVERAL}
    extra = {name: single.pop(name, "") for name in _EXTRA}
    return Posted.of(
        single, several["data.train"], channels=several["channel"], needs=several["need"], **extra
    )


Form = Annotated[Posted, Depends(_read)]


@router.get("/train")
def train_page(
    request: Request,
    actor: Runner,
    services: ServicesDep,
    run: Annotated[str, Query(max_length=200)] = "",
    recipe: Annotated[str, Query(max_length=200)] = "",
    data: Annotated[str, Query(max_length=200)] = "",
    model: Annotated[str, Query(max_length=200)] = "",
    preset: Annotated[str, Query(max_length=40)] = "",
    start_from: Annotated[str, Query(max_length=200)] = "",
    changes: Annotated[list[str], Query(alias="set", max_length=20)] = [],  # noqa: B006
) -> HTMLResponse:
    """The form: empty, for data, or filled with a run's recipe or a saved one, with changes."""
    values: dict[str, Any] = {}
    if run:
        values = run_pages.outline_run(services, actor.tenant_id, run).recipe
        values = with_overrides(values, changes)
    elif recipe:
        values = saved_recipes.find_recipe(services, actor.tenant_id, recipe).recipe
    texts, datasets = recipe_form.texts_of(values) if values else _texts_for(data)
    texts = recipe_form.with_preset(texts, preset)
    texts["model"] = model or texts.get("model") or next(iter(WRITERS))
    return render(
        request,
        "train/train.html",
        actor=actor,
        start_from=start_from,
        key=secrets.token_hex(16),
        presets=PRESETS,
        chosen_preset=preset,
        recipes=_latest_recipes(services, actor),
        **_fields(services, actor, texts, datasets),
        **_preview(request, actor, Posted.of(texts, datasets, start_from=start_from)),
    )


def _latest_recipes(services: Services, actor: Actor) -> list[SavedRecipe]:
    """Those that were saved last, to load."""
    saved = saved_recipes.list_recipes(services, actor.tenant_id)
    return sorted(saved, key=lambda each: each.saved_at, reverse=True)[:_MOST_RECIPES]


def _texts_for(data: str) -> tuple[dict[str, str], list[str]]:
    """The form's texts to train on a dataset, named after it; nothing without one."""
    name = data.partition("@")[0]
    return ({"name": f"{name[: MAX_NAME_CHARACTERS - 6]}-tuned"}, [data]) if data else ({}, [])


@router.post("/train/form")
def form(request: Request, posted: Form, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """The fields anew: for another method or kind, with a preset's values, or out of YAML."""
    texts, datasets = posted.texts, posted.datasets
    if posted.extra["yaml"]:
        texts, datasets = recipe_form.texts_of(recipe_form.read_recipe(posted.extra["yaml"]))
    texts = recipe_form.with_preset(texts, posted.extra["preset"])
    shown = _fields(services, actor, texts, datasets, needed=posted.needs)
    return render(request, "train/fields.html", actor=actor, **shown)


@router.post("/train/needs")
def fill_by_needs(
    request: Request, posted: Form, actor: Runner, services: ServicesDep
) -> HTMLResponse:
    """The fields anew, with how often to save and how much to keep by the answers."""
    texts = recipe_form.with_settings(posted.texts, saving_settings(posted.needs))
    shown = _fields(services, actor, texts, posted.datasets, needed=posted.needs)
    return render(request, "train/fields.html", actor=actor, **shown)


@router.post("/train/preview")
def preview(request: Request, posted: Form, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """What the form would come to, and what is wrong with it."""
    shown = _preview(request, actor, posted)
    return render(request, "train/preview.html", actor=actor, **shown)


@router.post("/train/check")
def check(request: Request, posted: Form, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """Ask for the exact figures; a job finds them out."""
    recipe = runs.recipe_of(spread(*posted.values_and_grid())[0])
    options = JobOptions(pool=posted.extra["pool"] or None)
    job = submit_job(services, PreflightRequest(recipe=recipe), actor=actor, options=options)
    return render(request, "train/check.html", actor=actor, job=job, ended=False)


@router.get("/train/checks/{job_id}")
def check_result(
    job_id: str, request: Request, actor: Runner, services: ServicesDep
) -> HTMLResponse:
    """The exact figures, once they are there."""
    job = jobs.get_job(services, actor.tenant_id, job_id)
    ended = job.status in TERMINAL
    return render(request, "train/check.html", actor=actor, job=job, ended=ended)


@router.post("/train")
def start(request: Request, posted: Form, actor: Runner, services: ServicesDep) -> Response:
    """Start the run and go to its page; what is wrong is said in the preview and at the fields."""
    shown = _preview(request, actor, posted)
    draft: DraftView = shown["draft"]
    if draft.problems:
        return render(request, "train/preview.html", actor=actor, **shown)
    cores = posted.extra["cores"]
    options = JobOptions(
        pool=posted.extra["pool"] or None,
        resources=Resources(cores=int(cores) if cores.isdigit() else None),
        notify=posted.channels,
    )
    values, grid = posted.values_and_grid()
    begun = submit_sweep(
        services,
        TrainRequest(recipe=runs.recipe_of(values), start_from=posted.extra["start_from"] or None),
        grid=grid,
        actor=actor,
        options=options,
        # The form's own: a second click, or a repeated request, is the same run.
        idempotency_key=posted.extra["key"] or None,
    )
    several = "?" + urlencode({"text": f"{values['name']}-"})
    return go(request, "/runs" + (f"/{begun[0].id}" if len(begun) == 1 else several))


@router.post("/train/recipes")
def save(request: Request, posted: Form, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """Keep what the form says under a name."""
    recipe = runs.recipe_of(recipe_form.values_of(posted.texts, posted.datasets))
    saved = saved_recipes.save_recipe(services, posted.extra["recipe_name"], recipe, actor=actor)
    _ = text_in(request)
    return notice(request, _("Saved as %(name)s.") % {"name": saved.name})


@router.delete("/train/recipes/{recipe_name}")
def forget(recipe_name: str, request: Request, actor: Runner, services: ServicesDep) -> Response:
    """Keep a recipe no longer."""
    saved_recipes.delete_recipe(services, actor.tenant_id, recipe_name)
    return go(request, "/train")


def _fits(
    services: Services, actor: Actor, texts: Mapping[str, str], datasets: Sequence[str]
) -> Mapping[str, MemoryFit]:
    """How base models would fit into a worker's memory, trained as the form says."""
    try:
        values = recipe_form.values_of(texts, datasets)
        recipes = [
            runs.recipe_of({"data": {"train": "any"}, **values, "name": "any", "model": name})
            for name in WRITERS
        ]
    except RecipeInvalid:
        return {}
    judged = {each.model: judge_fit(services, actor.tenant_id, each) for each in recipes}
    return {name: fit for name, fit in judged.items() if fit is not None}


def _preview(request: Request, actor: Actor, posted: Posted) -> dict[str, Any]:
    """What templates show beside the form."""
    services, _ = services_of(request), text_in(request)
    seen = look_at(services, actor.tenant_id, posted, _)
    return {"draft": seen.draft, "runs": seen.runs, "yaml": seen.yaml, "command": seen.command}


def _fields(
    services: Services,
    actor: Actor,
    texts: Mapping[str, str],
    datasets: Sequence[str],
    *,
    needed: Sequence[str] = (),
) -> dict[str, Any]:
    tenant_id = actor.tenant_id
    models = registry.list_offered(services, tenant_id, most=_MOST_CHOICES, also=[])
    return {
        "texts": texts,
        "datasets": list(datasets) or [""],
        "known_datasets": dataset_pages.newest_names(services, tenant_id, most=_MOST_CHOICES),
        "bases": WRITERS,
        "fits": _fits(services, actor, texts, datasets),
        "models": list(dict.fromkeys(each.name for each in models)),
        "methods": list_methods(),
        "pools": operating.list_pools(services),
        "channels": channels.list_channels(services, actor.tenant_id),
        "groups": recipe_form.groups(texts),
        "needs": NEEDS,
        "needed": needed,
    }
