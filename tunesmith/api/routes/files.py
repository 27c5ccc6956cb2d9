"""Uploaded files."""

from typing import Annotated

from fastapi import APIRouter, Form, UploadFile
from fastapi.responses import FileResponse

from tunesmith.api.access import DataEditor, Reader, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.data.peek import Peek
from tunesmith.schema import Strict, setting
from tunesmith.service import files, peeking
from tunesmith.service.files import FileView

router = APIRouter(tags=["files"], prefix="/files")


class Reading(Strict):
    """How to read a file."""

    format: str | None = setting(None, "shape of the rows; recognised if left out", max_length=40)
    mapping: dict[str, str] = setting({}, "columns of the file by field of the format")


@router.post("", status_code=201)
def upload_file(
    file: UploadFile,
    actor: DataEditor,
    services: ServicesDep,
    purpose: Annotated[str, Form(max_length=50)] = "fine-tune",
) -> FileView:
    """Upload a file; it is streamed to the disk."""
    return files.store_file(
        services, file.file, filename=file.filename or "upload", purpose=purpose, actor=actor
    )


@router.get("")
def list_files(
    actor: Reader,
    services: ServicesDep,
    purpose: str | None = None,
    after: After = None,
    limit: Limit = 20,
) -> Page[FileView]:
    """Files, newest first."""
    data, has_more = files.list_files(
        services, actor.tenant_id, purpose=purpose, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/{file_id}")
def get_file(file_id: str, actor: Reader, services: ServicesDep) -> FileView:
    """What is known of a file."""
    return files.find_file(services, actor.tenant_id, file_id)


@router.post("/{file_id}/peek")
def peek_file(file_id: str, body: Reading, actor: Reader, services: ServicesDep) -> Peek:
    """The first rows, and what an import would make of them. Nothing is imported."""
    return peeking.peek_file(
        services, actor.tenant_id, file_id, format=body.format, mapping=body.mapping
    )


@router.get("/{file_id}/content", response_class=FileResponse)
def get_file_content(file_id: str, actor: Reader, services: ServicesDep) -> FileResponse:
    """The bytes of a file."""
    path = files.file_path(services, actor.tenant_id, file_id)
    return FileResponse(path, media_type="application/octet-stream", filename=file_id)


@router.delete("/{file_id}", status_code=204)
def delete_file(file_id: str, actor: DataEditor, services: ServicesDep) -> None:
    """Delete a file; datasets that were made of it stay."""
    files.delete_file(services, actor.tenant_id, file_id)
