"""Bringing data in: upload or address, a look into the file, the import as it goes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import DataEditor, Reader, ServicesDep
from tunesmith.console.pages import go, is_part, page_router, render
from tunesmith.data.formats import FORMATS
from tunesmith.data.peek import Peek
from tunesmith.schema import validate
from tunesmith.service import files, jobs, peeking, samples, streams
from tunesmith.service.job_requests import ImportRequest
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job

router = page_router()

_MAPPED = "map."  # how the names of the selects that map columns begin


def _mapping(values: Mapping[str, Any]) -> dict[str, str]:
    """Columns by field, where they differ: a column of the field's own name is read anyhow."""
    chosen = {
        name.removeprefix(_MAPPED): str(column)
        for name, column in values.items()
        if name.startswith(_MAPPED) and column
    }
    return {field: column for field, column in chosen.items() if field != column}


def mapping_in_query(request: Request) -> dict[str, str]:
    """The mapping that an address holds."""
    return _mapping(request.query_params)


async def mapping_in_form(request: Request) -> dict[str, str]:
    """The mapping that a form holds."""
    return _mapping(await request.form())


@dataclass(frozen=True)
class _Source:
    """What is to be imported, and how it is read so far."""

    file: files.FileView | None
    url: str
    format: str
    mapping: Mapping[str, str]
    peek: Peek | None

    @property
    def name(self) -> str:
        """A name to suggest."""
        name = self.file.filename if self.file else self.url.rstrip("/").rpartition("/")[2]
        return re.sub(r"[^\w-]+", "-", name.partition(".")[0]).strip("-_")[:60]

    @property
    def fields(self) -> list[tuple[str, bool, str]]:
        """Fields of the format: name, whether the format needs it, the column it is read from."""
        format = self.format or (self.peek.format if self.peek else None)
        if self.peek is None or format is None:
            return []
        columns = self.peek.columns
        shape = FORMATS[format]
        return [
            (field, field in shape.required, self.mapping.get(field, field * (field in columns)))
            for field in shape.columns
        ]


@router.get("/datasets/new")
def new_dataset(
    request: Request,
    actor: DataEditor,
    services: ServicesDep,
    mapping: Annotated[dict[str, str], Depends(mapping_in_query)],
    file: Annotated[str, Query(max_length=200)] = "",
    url: Annotated[str, Query(max_length=2000)] = "",
    format: Annotated[str, Query(max_length=40)] = "",
) -> HTMLResponse:
    """Where a source is chosen; with one, how it would be read. As a part, only that."""
    if not file and not url:
        return render(request, "datasets/source.html", actor=actor)
    view = files.find_file(services, actor.tenant_id, file) if file else None
    peek = (
        peeking.peek_file(services, actor.tenant_id, file, format=format or None, mapping=mapping)
        if file
        else None
    )
    source = _Source(view, url.strip(), format, mapping, peek)
    template = "parts/import_shape.html" if is_part(request) else "datasets/new.html"
    return render(request, template, actor=actor, source=source, formats=FORMATS)


@router.post("/datasets")
def begin_import(
    request: Request,
    actor: DataEditor,
    services: ServicesDep,
    mapping: Annotated[dict[str, str], Depends(mapping_in_form)],
    name: Annotated[str, Form(max_length=200)],
    file: Annotated[str, Form(max_length=200)] = "",
    url: Annotated[str, Form(max_length=2000)] = "",
    format: Annotated[str, Form(max_length=40)] = "",
    max_rejected_percent: Annotated[float, Form(ge=0, le=100)] = 0.0,
    deduplicate: Annotated[str, Form(max_length=20)] = "",
) -> Response:
    """Queue the import and go where it can be watched."""
    settings = {
        "name": name,
        "file": file or None,
        "url": url or None,
        "format": format or None,
        "mapping": mapping,
        "max_rejected_percent": max_rejected_percent,
        "deduplicate": deduplicate or None,
    }
    wanted = validate(ImportRequest, settings, source="import")
    job = submit_job(services, wanted, actor=actor)
    chosen = {"file": file, "url": url, "format": format}
    chosen |= {_MAPPED + field: column for field, column in mapping.items()}
    query = urlencode({key: value for key, value in chosen.items() if value})
    return go(request, f"/imports/{job.id}?{query}")


@router.post("/home/sample")
def use_sample(request: Request, actor: DataEditor, services: ServicesDep) -> Response:
    """Import the sample, and go where it can be watched."""
    return go(request, f"/imports/{samples.import_samples(services, actor)[-1].id}")


@router.get("/imports/{job_id}")
def watch_import(request: Request, actor: Reader, services: ServicesDep, job_id: str) -> Response:
    """An import as it goes; done, it leads to its dataset."""
    job = jobs.get_job(services, actor.tenant_id, job_id)
    if job.status == "succeeded":
        return go(request, f"/datasets/{job.name}/rows")
    template = "parts/import_progress.html" if is_part(request) else "datasets/import.html"
    phase = _phase(services, actor.tenant_id, job_id)
    return render(request, template, actor=actor, job=job, query=request.url.query, **phase)


def _phase(services: Services, tenant_id: str, job_id: str) -> dict[str, Any]:
    """What the job does now: fetching or importing, and how much of what unit is done."""
    news = streams.read_news(services, tenant_id, job_id, after=streams.Position())
    phase: dict[str, Any] = {"phase": "", "done": 0, "total": None, "unit": ""}
    for event in news.events:
        if event.kind == "phase":
            phase = {"phase": event.data["phase"], "done": 0, "total": None, "unit": ""}
        elif event.kind == "progress":
            phase |= {key: event.data[key] for key in ("done", "total", "unit")}
    return phase
