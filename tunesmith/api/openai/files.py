"""Files, as OpenAI's clients upload and fetch them."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, UploadFile
from fastapi.responses import FileResponse
from pydantic import BaseModel

from tunesmith.api.access import DataEditor, Reader, ServicesDep
from tunesmith.api.openai.lists import Identified, ObjectList, as_list
from tunesmith.api.paging import After
from tunesmith.errors import RecipeInvalid
from tunesmith.service import files
from tunesmith.service.files import FileView
from tunesmith.service.fine_tuning_requests import PURPOSE

router = APIRouter(tags=["openai"], prefix="/files")


class FileObject(Identified):
    """A file. It is processed as soon as it is here: what is in it, a job finds out."""

    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int | None = None
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"] = "processed"
    status_details: str | None = None


class FileDeleted(BaseModel):
    """A file that is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: bool = True


@router.post("")
def create_file(
    file: UploadFile,
    actor: DataEditor,
    services: ServicesDep,
    purpose: Annotated[str, Form(max_length=50)],
    expires_anchor: Annotated[str | None, Form(alias="expires_after[anchor]")] = None,
    expires_seconds: Annotated[str | None, Form(alias="expires_after[seconds]")] = None,
) -> FileObject:
    """Upload a file to train on; it is streamed to the disk.

    Raises:
        RecipeInvalid: another purpose, or an expiry, which files have not.
    """
    if purpose != PURPOSE:
        raise RecipeInvalid(f"purpose: {purpose!r} is not offered", hint=f"use {PURPOSE}")
    if expires_anchor is not None or expires_seconds is not None:
        raise RecipeInvalid(
            "expires_after: files are kept until they are deleted", hint="leave it out"
        )
    name = file.filename or "upload"
    return _object(
        files.store_file(services, file.file, filename=name, purpose=purpose, actor=actor)
    )


@router.get("")
def list_files(
    actor: Reader,
    services: ServicesDep,
    purpose: Annotated[str | None, Query(max_length=50)] = None,
    order: Literal["asc", "desc"] = "desc",
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000,
) -> ObjectList[FileObject]:
    """Files by age, with those that jobs made."""
    page, has_more = files.list_files(
        services,
        actor.tenant_id,
        purpose=purpose,
        after=after,
        limit=limit,
        newest_first=order == "desc",
    )
    return as_list([_object(view) for view in page], has_more=has_more)


@router.get("/{file_id}")
def retrieve_file(file_id: str, actor: Reader, services: ServicesDep) -> FileObject:
    """What is known of a file."""
    return _object(files.find_file(services, actor.tenant_id, file_id))


@router.get("/{file_id}/content", response_class=FileResponse)
def retrieve_content(file_id: str, actor: Reader, services: ServicesDep) -> FileResponse:
    """The bytes of a file."""
    path = files.file_path(services, actor.tenant_id, file_id)
    return FileResponse(path, media_type="application/octet-stream", filename=file_id)


@router.delete("/{file_id}")
def delete_file(file_id: str, actor: DataEditor, services: ServicesDep) -> FileDeleted:
    """Delete a file; datasets that were made of it stay."""
    files.delete_file(services, actor.tenant_id, file_id)
    return FileDeleted(id=file_id)


def _object(view: FileView) -> FileObject:
    return FileObject(
        id=view.id,
        bytes=view.num_bytes,
        created_at=int(view.created_at.timestamp()),
        filename=view.filename,
        purpose=view.purpose,
    )
