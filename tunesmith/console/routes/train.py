"""Training: a form that says at once what it would come to, and starts a run."""

import secrets
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

import yaml
from fastapi import Depends, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Runner, ServicesDep, services_of
from tunesmith.console import recipe_form
from tunesmith.console.pages import go, notice, page_router, render, text_in
from tunesmith.errors import RecipeInvalid
from tunesmith.modeling.catalog import WRITERS
from tunesmith.schema import with_overrides
from tunesmith.service import (
    channels,
    dataset_pages,
    drafts,
    jobs,
    model_pages,
    operating,
    run_pages,
    runs,
    saved_recipes,
)
from tunesmith.service.access import Actor
from tunesmith.service.drafts import DraftNote, DraftView
from tunesmith.service.job_requests import JobOptions, PreflightRequest, Resources, TrainRequest
from tunesmith.service.recipe_fields import list_methods
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job
from tunesmith.store.tables import TERMINAL
from tunesmith.training.presets import PRESETS
from tunesmith.training.saving import NEEDS, saving_settings

router = page_router()

_MOST_CHOICES = 200  # datasets or models that are offered; others are written by name


@dataclass(frozen=True)
class Posted:
    """What the form says: a recipe's settings by path, and what is not part of a recipe."""

    texts: dict[str, str]
    datasets: list[str]
    channels: list[str]
    needs: list[str]
    extra: dict[str, str]

    @classmethod
    def of(
        cls,
        texts: dict[str, str],
        datasets: list[str],
        *,
        channels: Sequence[str] = (),
        needs: Sequence[str] = (),
        **extra: str,
    ) -> "Posted":
        """With nothing else, unless it is given."""
        chosen = [each for each in datasets if each]
        return cls(texts, chosen, list(channels), list(needs), extra)


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
    start_from: Annotated[str, Query(max_length=200)] = "",
    changes: Annotated[list[str], Query(alias="set", max_length=20)] = [],  # noqa: B006
) -> HTMLResponse:
    """The form: empty, or filled with a run's recipe or a saved one, with changes."""
    values: dict[str, Any] = {}
    if run:
        values = run_pages.get_run(services, actor.tenant_id, run, points=2).recipe
        values = with_overrides(values, changes)
    elif recipe:
        values = saved_recipes.find_recipe(services, actor.tenant_id, recipe).recipe
    texts, datasets = recipe_form.texts_of(values) if values else ({}, [data] if data else [])
    texts["model"] = model or texts.get("model") or next(iter(WRITERS))
    return render(
        request,
        "train/train.html",
        actor=actor,
        start_from=start_from,
        key=secrets.token_hex(16),
        presets=PRESETS,
        recipes=saved_recipes.list_recipes(services, actor.tenant_id),
        **_fields(services, actor, texts, datasets),
        **_preview(request, actor, Posted.of(texts, datasets, start_from=start_from)),
    )


@router.post("/train/form")
def form(request: Request, posted: Form, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """The fields anew: for another method or kind, with a preset's values, or out of YAML."""
    texts, datasets = posted.texts, posted.datasets
    if posted.extra["yaml"]:
        texts, datasets = recipe_form.texts_of(recipe_form.read_recipe(posted.extra["yaml"]))
    preset = PRESETS.get(posted.extra["preset"])
    if preset is not None:
        settings = preset.settings.items()
        texts = {**texts, **{path: recipe_form.text_of(value) for path, value in settings}}
    shown = _fields(services, actor, texts, datasets, needed=posted.needs)
    return render(request, "train/fields.html", actor=actor, **shown)


@router.post("/train/needs")
def fill_by_needs(
    request: Request, posted: Form, actor: Runner, services: ServicesDep
) -> HTMLResponse:
    """The fields anew, with how often to save and how much to keep by the answers."""
    settings = saving_settings(posted.needs).items()
    texts = {**posted.texts, **{path: recipe_form.text_of(value) for path, value in settings}}
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
    recipe = runs.recipe_of(recipe_form.values_of(posted.texts, posted.datasets))
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
    if draft.recipe is None or draft.problems:
        return render(request, "train/preview.html", actor=actor, **shown)
    cores = posted.extra["cores"]
    options = JobOptions(
        pool=posted.extra["pool"] or None,
        resources=Resources(cores=int(cores) if cores.isdigit() else None),
        notify=posted.channels,
    )
    wanted = TrainRequest(
        recipe=runs.recipe_of(draft.recipe), start_from=posted.extra["start_from"] or None
    )
    job = submit_job(
        services,
        wanted,
        actor=actor,
        options=options,
        # The form's own: a second click, or a repeated request, is the same run.
        idempotency_key=posted.extra["key"] or None,
    )
    return go(request, f"/runs/{job.id}")


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


def _fields(
    services: Services,
    actor: Actor,
    texts: Mapping[str, str],
    datasets: Sequence[str],
    *,
    needed: Sequence[str] = (),
) -> dict[str, Any]:
    known, _ = dataset_pages.list_datasets(
        services, actor.tenant_id, after=None, limit=_MOST_CHOICES
    )
    models, _ = model_pages.list_models(
        services, actor.tenant_id, name=None, after=None, limit=_MOST_CHOICES
    )
    return {
        "texts": texts,
        "datasets": list(datasets) or [""],
        "known_datasets": list(dict.fromkeys(each.name for each in known)),
        "bases": WRITERS,
        "models": list(dict.fromkeys(each.name for each in models)),
        "methods": list_methods(),
        "pools": operating.list_pools(services),
        "channels": channels.list_channels(services, actor.tenant_id),
        "groups": recipe_form.groups(texts),
        "needs": NEEDS,
        "needed": needed,
    }


def _preview(request: Request, actor: Actor, posted: Posted) -> dict[str, Any]:
    unfilled = list(_unfilled(posted, text_in(request)))
    try:
        values = recipe_form.values_of(posted.texts, posted.datasets)
    except RecipeInvalid as error:
        path = error.message.partition(":")[0].partition(",")[0]
        notes = [*unfilled, DraftNote(path, error.message, error.hint)]
        return {"draft": DraftView(None, notes, [], None, []), "yaml": "", "command": ""}
    draft = drafts.check_draft(services_of(request), actor.tenant_id, values)
    # What is not filled in yet is asked for, rather than called wrong.
    asked = {note.path.partition(".")[0] for note in unfilled}
    wrong = [note for note in draft.problems if note.path.partition(".")[0] not in asked]
    return {
        "draft": replace(draft, problems=[*unfilled, *wrong]),
        "yaml": yaml.safe_dump(values, sort_keys=False, allow_unicode=True),
        "command": _command(values, posted.extra),
    }


def _unfilled(posted: Posted, _: Callable[[str], str]) -> Iterator[DraftNote]:
    if not posted.texts.get("name", "").strip():
        yield DraftNote("name", _("Give the model a name."))
    if not posted.datasets:
        yield DraftNote("data.train", _("Choose a dataset to train on."))


def _command(values: Mapping[str, Any], extra: Mapping[str, str]) -> str:
    """The command that starts the same run from the recipe, saved under its name."""
    file = f"{values['name'] or 'recipe'}.yaml"
    parts = ["tunesmith", "train", file]
    parts += ["--from", extra["start_from"]] if extra.get("start_from") else []
    return shlex.join(parts)
