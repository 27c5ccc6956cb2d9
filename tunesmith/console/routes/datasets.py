"""Datasets: the list, and of each rows, what was left out, tokens, figures, versions, lineage."""

from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.background import BackgroundTask

from tunesmith.api.access import DataEditor, Reader, Runner, ServicesDep
from tunesmith.api.routes.datasets import Split
from tunesmith.console.pages import go, is_part, page_router, render
from tunesmith.data.config import DataConfig
from tunesmith.data.export import EXPORTS
from tunesmith.modeling.catalog import WRITERS
from tunesmith.schema import validate
from tunesmith.service import dataset_pages, dataset_reports, jobs, model_pages, models
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import PreviewRequest
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job

router = page_router()

ROWS_A_PAGE = 20
_DATASETS_A_PAGE = 25
_VERSIONS_SHOWN = 100

Search = Annotated[str, Query(max_length=200)]
After = Annotated[str | None, Query(max_length=200)]
First = Annotated[int, Query(ge=1, le=2**53)]


@router.get("/datasets")
def list_datasets(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    search: Search = "",
    after: After = None,
) -> HTMLResponse:
    """All datasets; as a part, the table alone."""
    found, has_more = dataset_pages.list_datasets(
        services, actor.tenant_id, search=search, after=after, limit=_DATASETS_A_PAGE
    )
    template = "parts/dataset_list.html" if is_part(request) else "datasets/list.html"
    return render(request, template, actor=actor, datasets=found, has_more=has_more, search=search)


@router.get("/datasets/{dataset}")
@router.get("/datasets/{dataset}/rows")
def rows(
    request: Request, actor: Reader, services: ServicesDep, dataset: str, first: First = 1
) -> HTMLResponse:
    """Examples as conversations, from number `first` on."""
    shown, has_more = dataset_pages.list_rows(
        services, actor.tenant_id, dataset, after=first - 1, limit=ROWS_A_PAGE
    )
    return _page(
        request, services, actor, dataset, tab="rows", rows=shown, first=first, has_more=has_more
    )


@router.get("/datasets/{dataset}/left-out")
def left_out(
    request: Request, actor: Reader, services: ServicesDep, dataset: str, first: First = 1
) -> HTMLResponse:
    """Rows of the source that are no examples, and why."""
    shown, has_more = dataset_pages.list_rejected(
        services, actor.tenant_id, dataset, after=first - 1, limit=2 * ROWS_A_PAGE
    )
    return _page(
        request,
        services,
        actor,
        dataset,
        tab="left-out",
        rows=shown,
        first=first,
        has_more=has_more,
    )


def _page(
    request: Request, services: Services, actor: Actor, dataset: str, *, tab: str, **context: Any
) -> HTMLResponse:
    """A tab of a dataset's page; `reference` is what the address names it by."""
    summary = dataset_pages.get_dataset(services, actor.tenant_id, dataset)
    return render(
        request,
        f"datasets/{tab.replace('-', '_')}.html",
        actor=actor,
        dataset=summary,
        reference=dataset,
        tab=tab,
        export_formats=EXPORTS,
        split=Split.model_fields,
        **context,
    )


# --- tokens ----------------------------------------------------------------------------------


@router.get("/datasets/{dataset}/tokens")
def tokens(request: Request, actor: Reader, services: ServicesDep, dataset: str) -> HTMLResponse:
    """Where one asks for examples token by token."""
    return _page(
        request,
        services,
        actor,
        dataset,
        tab="tokens",
        bases=_bases(services, actor),
        preview=PreviewRequest.model_fields,
        max_length=DataConfig.model_fields["max_length"].default,
    )


def _bases(services: Services, actor: Actor) -> list[str]:
    """Models whose tokens can be shown: those of the catalog, then whole models of the tenant."""
    catalog = models.list_models(services.home(actor.tenant_id))
    writers = [base for base in catalog if base.name in WRITERS]
    here_first = sorted(writers, key=lambda base: not base.pulled)
    own, _ = model_pages.list_models(services, actor.tenant_id, name=None, after=None, limit=100)
    whole = [f"{model.name}@{model.version}" for model in own if model.kind != "adapter"]
    return [*(base.name for base in here_first), *whole]


@router.post("/datasets/{dataset}/tokens")
def ask_for_tokens(
    request: Request,
    actor: Runner,
    services: ServicesDep,
    dataset: str,
    model: Annotated[str, Form(min_length=1, max_length=200)],
    first_row: Annotated[int, Form(ge=1, le=2**53)],
    limit: Annotated[int, Form(ge=1, le=10)],
    max_length: Annotated[int, Form(ge=1, le=2**31)],
) -> HTMLResponse:
    """Queue the preview; the part that comes back waits for it."""
    data = validate(
        DataConfig, {"train": dataset, "max_length": max_length}, source="the token view"
    )
    wanted = PreviewRequest(
        dataset=dataset, model=model, data=data, first_row=first_row, limit=limit
    )
    job = submit_job(services, wanted, actor=actor)
    return render(request, "parts/tokens.html", actor=actor, job=job, dataset=dataset)


@router.get("/datasets/{dataset}/tokens/{job_id}")
def see_tokens(
    request: Request, actor: Reader, services: ServicesDep, dataset: str, job_id: str
) -> HTMLResponse:
    """The tokens once they are there."""
    job = jobs.get_job(services, actor.tenant_id, job_id)
    return render(request, "parts/tokens.html", actor=actor, job=job, dataset=dataset)


# --- figures, versions, lineage --------------------------------------------------------------


@router.get("/datasets/{dataset}/statistics")
def statistics(
    request: Request, actor: Reader, services: ServicesDep, dataset: str
) -> HTMLResponse:
    """Counts; what takes reading through all of it follows."""
    return _page(request, services, actor, dataset, tab="statistics")


@router.get("/datasets/{dataset}/report")
def report(request: Request, actor: Reader, services: ServicesDep, dataset: str) -> HTMLResponse:
    """Lengths and what is suspicious, as a part of the statistics."""
    return render(
        request,
        "parts/dataset_report.html",
        actor=actor,
        lengths=dataset_reports.lengths(services, actor.tenant_id, dataset),
        findings=dataset_reports.report(services, actor.tenant_id, dataset),
    )


@router.get("/datasets/{dataset}/versions")
def versions(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    dataset: str,
    older: Search = "",
    newer: Search = "",
) -> HTMLResponse:
    """The versions of a name, and what two of them have in common."""
    name = dataset.partition("@")[0]
    found, _ = dataset_pages.list_versions(
        services, actor.tenant_id, name, after=None, limit=_VERSIONS_SHOWN
    )
    compared = (
        dataset_pages.diff(services, actor.tenant_id, f"{name}@{older}", f"{name}@{newer}")
        if older and newer
        else None
    )
    return _page(
        request, services, actor, dataset, tab="versions", versions=found, compared=compared
    )


@router.get("/datasets/{dataset}/lineage")
def lineage(request: Request, actor: Reader, services: ServicesDep, dataset: str) -> HTMLResponse:
    """What a version was made from, and the runs that it went into."""
    found = dataset_pages.lineage(services, actor.tenant_id, dataset)
    return _page(request, services, actor, dataset, tab="lineage", lineage=found)


# --- what is done with one -------------------------------------------------------------------


@router.post("/datasets/{dataset}/split")
def split(
    request: Request,
    actor: DataEditor,
    services: ServicesDep,
    dataset: str,
    rest: Annotated[str, Form(max_length=200)],
    held_out: Annotated[str, Form(max_length=200)],
    percent: Annotated[int, Form()],
    seed: Annotated[int, Form(ge=0, lt=2**32)],
) -> Response:
    """Make two datasets of one."""
    names = (rest, held_out)
    dataset_pages.split(services, actor.tenant_id, dataset, percent=percent, seed=seed, names=names)
    return go(request, f"/datasets/{rest}/rows")


@router.get("/datasets/{dataset}/export")
def export(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    dataset: str,
    format: Annotated[str, Query(max_length=40)] = "messages",
) -> FileResponse:
    """All examples as JSON Lines."""
    name = dataset_pages.get_dataset(services, actor.tenant_id, dataset).name
    path = dataset_pages.export_file(
        services, actor.tenant_id, dataset, format=format, id=request.state.request_id
    )
    return FileResponse(
        path,
        media_type="application/jsonl",
        filename=f"{name}.{format}.jsonl",
        background=BackgroundTask(path.unlink),
    )


@router.delete("/datasets/{dataset}")
def delete(request: Request, actor: DataEditor, services: ServicesDep, dataset: str) -> Response:
    """Delete a dataset, or one version of it."""
    dataset_pages.delete(services, actor.tenant_id, dataset)
    return go(request, "/datasets")
