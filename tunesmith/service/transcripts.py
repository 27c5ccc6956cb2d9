"""Chats that people keep: to read again, and to train on."""

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

from pydantic import Field, model_validator
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.evaluation.questions import Turn
from tunesmith.schema import Strict, check_name, setting
from tunesmith.service.access import Actor
from tunesmith.service.files import store_file
from tunesmith.service.job_requests import ImportRequest, Text
from tunesmith.service.job_views import JobView
from tunesmith.service.library import find_edition
from tunesmith.service.services import Services
from tunesmith.service.shelves import CHARACTERS, ChatSampling
from tunesmith.service.submitting import submit_job
from tunesmith.store.pages import read_page
from tunesmith.store.tables import Transcript, new_id

MAX_TITLE_CHARACTERS = 200


class ChatToKeep(Strict):
    """A chat as it was."""

    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARACTERS)]
    model: Text = setting(..., "who answered")
    character: Text | None = setting(
        None, "NAME or NAME@VERSION of the character, if there was one"
    )
    messages: list[Turn] = setting(..., "what was said, in order", min_length=1, max_length=2000)
    sampling: ChatSampling = setting(ChatSampling(), "how answers were chosen")

    @model_validator(mode="after")
    def _check_answered(self) -> Self:
        if not any(turn.role == "assistant" for turn in self.messages):
            raise ValueError("a chat without an answer is none to keep")
        return self


@dataclass(frozen=True)
class TranscriptView:
    """A kept chat as lists show it; `character` names the version that was talked to."""

    id: str
    title: str
    model: str
    character: str | None
    num_messages: int
    created_by: str
    created_at: datetime


@dataclass(frozen=True)
class TranscriptDetail:
    """A kept chat in full."""

    transcript: TranscriptView
    messages: list[Turn]
    sampling: ChatSampling


def keep_chat(services: Services, actor: Actor, chat: ChatToKeep) -> TranscriptDetail:
    """Keep a chat.

    Raises:
        NotFound: the tenant has no such character.
    """
    character = None
    if chat.character is not None:
        edition = find_edition(services, CHARACTERS, actor.tenant_id, chat.character)
        character = f"{edition.name}@{edition.version}"
    row = Transcript(
        id=new_id("transcript"),
        tenant_id=actor.tenant_id,
        title=chat.title,
        model=chat.model,
        character=character,
        content=chat.model_dump(mode="json", include={"messages", "sampling"}),
        created_by=actor.email,
        created_at=services.clock(),
    )
    with services.database.transaction() as db:
        db.add(row)
    return _detail(row)


def list_transcripts(
    services: Services, tenant_id: str, *, after: str | None, limit: int
) -> tuple[list[TranscriptView], bool]:
    """A page of kept chats, newest first, and whether there are more.

    Raises:
        NotFound: there is no kept chat `after`.
    """
    wanted = select(Transcript).where(Transcript.tenant_id == tenant_id)
    with services.database.reading() as db:
        last = _find(db, tenant_id, after) if after is not None else None
        by = (Transcript.created_at, Transcript.id)
        rows, has_more = read_page(db, wanted, by=by, after=last, limit=limit)
    return [_view(row) for row in rows], has_more


def get_transcript(services: Services, tenant_id: str, transcript_id: str) -> TranscriptDetail:
    """A kept chat.

    Raises:
        NotFound: the tenant has no such chat.
    """
    with services.database.reading() as db:
        return _detail(_find(db, tenant_id, transcript_id))


def delete_transcript(services: Services, tenant_id: str, transcript_id: str) -> None:
    """Delete a kept chat; datasets that were made of it stay.

    Raises:
        NotFound: the tenant has no such chat.
    """
    with services.database.transaction() as db:
        row = _find(db, tenant_id, transcript_id)
        db.execute(delete(Transcript).where(Transcript.id == row.id))


# --- to train on -----------------------------------------------------------------------------


def export_transcripts(services: Services, tenant_id: str, ids: Sequence[str]) -> Iterator[str]:
    """A line of JSON for each kept chat, oldest first, in the format `messages`; all without ids.

    Raises:
        NotFound: the tenant has no such chat.
    """
    wanted = select(Transcript).where(Transcript.tenant_id == tenant_id)
    with services.database.reading() as db:
        for transcript_id in ids:
            _find(db, tenant_id, transcript_id)
        if ids:
            wanted = wanted.where(Transcript.id.in_(ids))
        rows = db.scalars(wanted.order_by(Transcript.created_at, Transcript.id)).all()
    return as_lines(_detail(row).messages for row in rows)


def as_lines(chats: Iterable[Sequence[Turn]]) -> Iterator[str]:
    """Each chat as a line of JSON in the format `messages`."""
    for messages in chats:
        turns = [turn.model_dump() for turn in messages]
        yield json.dumps({"messages": turns}, ensure_ascii=False) + "\n"


def make_dataset(services: Services, actor: Actor, *, name: str, ids: Sequence[str]) -> JobView:
    """Queue the import of kept chats as a dataset; all of them without ids.

    Raises:
        NameInvalid: the name breaks the rules.
        NotFound: the tenant has no such chat, or none at all.
        QuotaExceeded: the tenant has as much as it may.
        NotEnoughDisk: the disk is too small.
    """
    check_name(name)
    lines = "".join(export_transcripts(services, actor.tenant_id, ids))
    if not lines:
        raise NotFound("there are no transcripts", hint="keep a chat first")
    file = store_file(
        services,
        io.BytesIO(lines.encode()),
        filename=f"{name}.jsonl",
        purpose="fine-tune",
        actor=actor,
    )
    request = ImportRequest(name=name, file=file.id, format="messages")
    return submit_job(services, request, actor=actor)


def _find(db: Session, tenant_id: str, transcript_id: str) -> Transcript:
    row = db.get(Transcript, transcript_id)
    if row is None or row.tenant_id != tenant_id:
        raise NotFound(f"there is no transcript {transcript_id}")
    return row


def _view(row: Transcript) -> TranscriptView:
    return TranscriptView(
        id=row.id,
        title=row.title,
        model=row.model,
        character=row.character,
        num_messages=len(row.content["messages"]),
        created_by=row.created_by,
        created_at=row.created_at,
    )


def _detail(row: Transcript) -> TranscriptDetail:
    chat = row.content
    return TranscriptDetail(
        transcript=_view(row),
        messages=[Turn(**turn) for turn in chat["messages"]],
        sampling=ChatSampling(**chat["sampling"]),
    )
