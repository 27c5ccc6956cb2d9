"""Datasets: versions, their rows, what is wrong with them, where they come from and go."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from tunesmith.api.access import DataEditor, Reader, ServicesDep
from tunesmith.api.paging import After, AfterNumber, Limit, Page
from tunesmith.data.lengths import Lengths
from tunesmith.data.quality import Finding
from tunesmith.data.statistics import LeftOut
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import dataset_pages, dataset_reports, samples
from tunesmith.service.dataset_pages import (
    DatasetDiff,
    DatasetLineage,
    DatasetSummary,
    ExampleRow,
)
from tunesmith.service.dataset_versions import Deleted
from tunesmith.service.job_views import JobView

router = APIRouter(tags=["datasets"], prefix="/datasets")

Dataset = Annotated[str, Path(description="NAME, NAME@VERSION or a version", max_length=200)]


class Split(Strict):
    """How to make two versions of one."""

    percent: int = setting(5, "share of the examples to hold out", unit="%", ge=1, le=50)
    seed: int = setting(42, "origin of the random choice", ge=0, lt=2**32)
    rest: Name = setting(..., "name of the version with the rest")
    held_out: Name = setting(..., "name of the version that is held out")


@router.get("")
def list_datasets(
    actor: Reader,
    services: ServicesDep,
    search: Annotated[str, Query(description="a part of their names", max_length=200)] = "",
    after: After = None,
    limit: Limit = 20,
) -> Page[DatasetSummary]:
    """Datasets by their newest versions, newest first; `after` is the last name."""
    data, has_more = dataset_pages.list_datasets(
        services, actor.tenant_id, search=search, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.post("/samples", status_code=202)
def import_samples(actor: DataEditor, services: ServicesDep) -> Page[JobView]:
    """Import the sample that comes with the service: data to train on, and a held-out part."""
    return Page(data=samples.import_samples(services, actor))


@router.get("/{dataset}")
def get_dataset(dataset: Dataset, actor: Reader, services: ServicesDep) -> DatasetSummary:
    """A dataset version: the newest of a name, or the one that is named."""
    return dataset_pages.get_dataset(services, actor.tenant_id, dataset)


@router.get("/{dataset}/versions")
def list_dataset_versions(
    dataset: Dataset,
    actor: Reader,
    services: ServicesDep,
    after: After = None,
    limit: Limit = 20,
) -> Page[DatasetSummary]:
    """The versions of a name, newest first; `after` is the last version."""
    data, has_more = dataset_pages.list_versions(
        services, actor.tenant_id, dataset, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{dataset}/rows")
def list_dataset_rows(
    dataset: Dataset,
    actor: Reader,
    services: ServicesDep,
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[ExampleRow]:
    """Examples in order; `after` is the last number."""
    data, has_more = dataset_pages.list_rows(
        services, actor.tenant_id, dataset, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{dataset}/rejected")
def list_rejected_rows(
    dataset: Dataset,
    actor: Reader,
    services: ServicesDep,
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[LeftOut]:
    """Rows of the source that were left out, and why; `after` is how many were seen."""
    data, has_more = dataset_pages.list_rejected(
        services, actor.tenant_id, dataset, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{dataset}/report")
def get_dataset_report(dataset: Dataset, actor: Reader, services: ServicesDep) -> Page[Finding]:
    """What is suspicious: empty answers, duplicates, contradictions, outliers, lost characters."""
    return Page(data=dataset_reports.report(services, actor.tenant_id, dataset))


@router.get("/{dataset}/lengths")
def get_dataset_lengths(dataset: Dataset, actor: Reader, services: ServicesDep) -> Lengths:
    """How long the examples are: a histogram in characters."""
    return dataset_reports.lengths(services, actor.tenant_id, dataset)


@router.get("/{dataset}/lineage")
def get_dataset_lineage(dataset: Dataset, actor: Reader, services: ServicesDep) -> DatasetLineage:
    """What a version was made from, and the runs that it went into."""
    return dataset_pages.lineage(services, actor.tenant_id, dataset)


@router.get("/{dataset}/diff")
def diff_datasets(
    dataset: Dataset,
    actor: Reader,
    services: ServicesDep,
    older: Annotated[str, Query(description="the version to compare with", max_length=200)],
) -> DatasetDiff:
    """What a version has that another has not, and the other way round."""
    return dataset_pages.diff(services, actor.tenant_id, older, dataset)


@router.get(
    "/{dataset}/export",
    response_class=FileResponse,
    responses={200: {"content": {"application/jsonl": {}}, "description": "JSON Lines"}},
)
def export_dataset(
    dataset: Dataset,
    request: Request,
    actor: Reader,
    services: ServicesDep,
    format: Annotated[str, Query(description="shape of the rows", max_length=40)] = "messages",
) -> FileResponse:
    """All examples as JSON Lines for other tools."""
    path = dataset_pages.export_file(
        services, actor.tenant_id, dataset, format=format, id=request.state.request_id
    )
    return FileResponse(
        path,
        media_type="application/jsonl",
        filename="dataset.jsonl",
        background=BackgroundTask(path.unlink),
    )


@router.post("/{dataset}/split", status_code=201)
def split_dataset(
    dataset: Dataset, body: Split, actor: DataEditor, services: ServicesDep
) -> Page[DatasetSummary]:
    """Make two versions of one: the rest, and a random share held out."""
    data = dataset_pages.split(
        services,
        actor.tenant_id,
        dataset,
        percent=body.percent,
        seed=body.seed,
        names=(body.rest, body.held_out),
    )
    return Page(data=data)


@router.delete("/{dataset}")
def delete_dataset(dataset: Dataset, actor: DataEditor, services: ServicesDep) -> Deleted:
    """Delete NAME with all its versions, or NAME@VERSION. Refused while a run or job needs it."""
    return dataset_pages.delete(services, actor.tenant_id, dataset)
