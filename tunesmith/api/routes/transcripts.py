"""Transcripts: chats that people keep, and that models can be trained on."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from tunesmith.api.access import DataEditor, Reader, Runner, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import transcripts
from tunesmith.service.job_requests import Text
from tunesmith.service.job_views import JobView
from tunesmith.service.transcripts import ChatToKeep, TranscriptDetail, TranscriptView

router = APIRouter(tags=["transcripts"], prefix="/transcripts")


class TranscriptDataset(Strict):
    """A dataset to make of transcripts."""

    name: Name = setting(..., "name of the dataset")
    transcripts: list[Text] = setting([], "which; all if left out", max_length=1000)


@router.post("", status_code=201)
def keep_chat(body: ChatToKeep, actor: DataEditor, services: ServicesDep) -> TranscriptDetail:
    """Keep a chat; everybody in the tenant can read it."""
    return transcripts.keep_chat(services, actor, body)


@router.get("")
def list_transcripts(
    actor: Reader, services: ServicesDep, after: After = None, limit: Limit = 20
) -> Page[TranscriptView]:
    """Kept chats, newest first; `after` is the last id."""
    data, has_more = transcripts.list_transcripts(
        services, actor.tenant_id, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "a chat a line"}},
)
def export_transcripts(
    actor: Reader,
    services: ServicesDep,
    transcript: Annotated[
        list[str], Query(description="ids of some; all if left out", max_length=1000)
    ] = [],  # noqa: B006  (FastAPI copies it)
) -> StreamingResponse:
    """Kept chats as JSON lines in the format `messages`, as a dataset is imported from."""
    lines = transcripts.export_transcripts(services, actor.tenant_id, transcript)
    return StreamingResponse(lines, media_type="application/x-ndjson")


@router.post("/dataset", status_code=201)
def make_transcript_dataset(
    body: TranscriptDataset, actor: Runner, services: ServicesDep
) -> JobView:
    """Queue the import of kept chats as a dataset."""
    return transcripts.make_dataset(services, actor, name=body.name, ids=body.transcripts)


@router.get("/{transcript_id}")
def get_transcript(transcript_id: str, actor: Reader, services: ServicesDep) -> TranscriptDetail:
    """A kept chat in full."""
    return transcripts.get_transcript(services, actor.tenant_id, transcript_id)


@router.delete("/{transcript_id}", status_code=204)
def delete_transcript(transcript_id: str, actor: DataEditor, services: ServicesDep) -> None:
    """Delete a kept chat; datasets that were made of it stay."""
    transcripts.delete_transcript(services, actor.tenant_id, transcript_id)
