"""Models: the registry, base models, and of each model where it comes from and goes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import ModelEditor, Reader, Runner, ServicesDep
from tunesmith.console.alias_picture import AliasPicture, draw_aliases
from tunesmith.console.choices import list_whole
from tunesmith.console.pages import go, page_router, render
from tunesmith.errors import NotFound
from tunesmith.schema import validate
from tunesmith.service import files, jobs, model_pages, models, run_pages
from tunesmith.service.access import Actor
from tunesmith.service.alias_moves import list_moves
from tunesmith.service.job_requests import PullRequest, RegisterRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.model_pages import RegisteredModel
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job
from tunesmith.store.tables import ACTIVE

router = page_router()

_MODELS_A_PAGE = 25
_IMPORTS_SHOWN = 5
_MOVES_SHOWN = 10  # of an alias


@router.get("/models")
def list_models(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """The registry, and the base models that training can start from."""
    found, has_more = model_pages.list_models(
        services, actor.tenant_id, name=None, after=after, limit=_MODELS_A_PAGE
    )
    return render(
        request,
        "models/list.html",
        actor=actor,
        models=found,
        has_more=has_more,
        **_bases(services, actor),
        **_imports(services, actor),
    )


@router.get("/models/imports")
def list_imports(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """Models on their way in, as a part; once all are there, the whole page is asked for."""
    imports = _imports(services, actor)
    page = render(request, "parts/model_imports.html", actor=actor, **imports)
    if not imports["is_importing"]:
        page.headers["HX-Refresh"] = "true"
    return page


def _imports(services: Services, actor: Actor) -> dict[str, Any]:
    """The newest models that come as files: those under way, and those that failed of late."""
    found, _ = jobs.list_jobs(
        services, actor.tenant_id, matching=jobs.JobFilter(kinds=["register"]), limit=_IMPORTS_SHOWN
    )
    return {
        "imports": [job for job in found if job.status not in ("succeeded", "cancelled")],
        "is_importing": any(job.status in ("queued", *ACTIVE) for job in found),
    }


@router.get("/models/new")
def new_model(
    request: Request,
    actor: Runner,
    services: ServicesDep,
    file: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """Where a model's archive is uploaded; with one, what to call it and what it is for."""
    return render(
        request,
        "models/new.html",
        actor=actor,
        file=files.find_file(services, actor.tenant_id, file) if file else None,
        bases=list_whole(services, actor.tenant_id),
    )


@router.post("/models")
def import_model(
    request: Request,
    actor: Runner,
    services: ServicesDep,
    name: Annotated[str, Form(max_length=200)],
    file: Annotated[str, Form(max_length=200)],
    base: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Check an uploaded model in a job, and register it."""
    settings = {"name": name, "file": file, "base": base or None}
    wanted = validate(RegisterRequest, settings, source="import")
    submit_job(services, wanted, actor=actor)
    return go(request, "/models")


@router.get("/base-models")
def list_bases(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The base models, as a part that follows their fetching."""
    return render(request, "parts/base_models.html", actor=actor, **_bases(services, actor))


@router.post("/base-models/{base}")
def fetch_base(request: Request, actor: Runner, services: ServicesDep, base: str) -> HTMLResponse:
    """Fetch a base model."""
    submit_job(services, PullRequest(model=base), actor=actor)
    return list_bases(request, actor, services)


def _bases(services: Services, actor: Actor) -> dict[str, Any]:
    """The catalog, and of each model that is being fetched, or was in vain, the last job."""
    pulls, _ = jobs.list_jobs(
        services, actor.tenant_id, matching=jobs.JobFilter(kinds=["pull"]), limit=100
    )
    last: dict[str, JobView] = {pull.name: pull for pull in reversed(pulls)}
    return {
        "bases": models.list_models(services.home(actor.tenant_id)),
        "pulls": last,
        "is_fetching": any(pull.status in ("queued", *ACTIVE) for pull in last.values()),
    }


@router.get("/models/{model_id}")
def show_model(
    request: Request, actor: Reader, services: ServicesDep, model_id: str
) -> HTMLResponse:
    """A version of a model."""
    lineage = model_pages.lineage(services, actor.tenant_id, model_id)
    versions, _ = model_pages.list_models(
        services, actor.tenant_id, name=lineage.model.name, after=None, limit=_MODELS_A_PAGE
    )
    return render(
        request,
        "models/model.html",
        actor=actor,
        model=lineage.model,
        lineage=lineage,
        versions=versions,
        datasets=_datasets(services, actor, lineage.model.run),
        picture=_picture(services, actor, versions),
    )


def _picture(
    services: Services, actor: Actor, versions: Sequence[RegisteredModel]
) -> AliasPicture | None:
    """How the aliases of these versions moved; nothing where none did."""
    aliases = sorted({alias for version in versions for alias in version.aliases})
    histories = {
        alias: list_moves(services, actor.tenant_id, alias, after=0, limit=_MOVES_SHOWN)[0]
        for alias in aliases
    }
    names = [f"{version.name}@{version.version}" for version in versions]
    moved = {alias: history for alias, history in histories.items() if history}
    return draw_aliases(moved, versions=names) if moved else None


def _datasets(services: Services, actor: Actor, run_id: str | None) -> Mapping[str, str]:
    """Versions of datasets by how the run calls them; nothing once the run is gone."""
    if run_id is None:
        return {}
    try:
        return run_pages.outline_run(services, actor.tenant_id, run_id).pins
    except NotFound:
        return {}


@router.post("/models/{model_id}")
def change_model(
    request: Request,
    actor: ModelEditor,
    services: ServicesDep,
    model_id: str,
    name: Annotated[str, Form(max_length=200)],
    description: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Rename a model with all its versions, and describe this one."""
    model_pages.change_model(
        services, actor.tenant_id, model_id, name=name, description=description
    )
    return go(request, f"/models/{model_id}")


@router.post("/models/{model_id}/aliases")
def set_alias(
    request: Request,
    actor: ModelEditor,
    services: ServicesDep,
    model_id: str,
    alias: Annotated[str, Form(max_length=200)],
) -> Response:
    """Let an alias point to this version; it moves here if it pointed elsewhere."""
    model_pages.set_alias(services, actor, alias, model=model_id)
    return go(request, f"/models/{model_id}")


@router.delete("/models/{model_id}/aliases/{alias}")
def delete_alias(
    request: Request, actor: ModelEditor, services: ServicesDep, model_id: str, alias: str
) -> Response:
    """Forget an alias."""
    model_pages.delete_alias(services, actor, alias)
    return go(request, f"/models/{model_id}")


@router.delete("/models/{model_id}")
def delete_model(
    request: Request, actor: ModelEditor, services: ServicesDep, model_id: str
) -> Response:
    """Delete a version and its files."""
    model_pages.delete_model(services, actor.tenant_id, model_id)
    return go(request, "/models")
