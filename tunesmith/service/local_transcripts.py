"""Chats that are kept on this machine: each is a file of the home, named by an id made here."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tunesmith.artifacts import write_json
from tunesmith.errors import NotFound
from tunesmith.schema import read_text
from tunesmith.service.runs import ID_TIME
from tunesmith.service.transcripts import ChatToKeep, TranscriptDetail, TranscriptView, as_lines
from tunesmith.store.home import Home


def keep_chat(home: Home, chat: ChatToKeep, *, now: datetime) -> TranscriptDetail:
    """Keep a chat."""
    folder = _folder(home)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now:{ID_TIME}}-{secrets.token_hex(3)}.json"
    write_json(path, chat.model_dump(mode="json"))
    return _read(path)


def list_transcripts(home: Home) -> list[TranscriptView]:
    """Kept chats, newest first."""
    return [_read(path).transcript for path in reversed(_paths(home))]


def get_transcript(home: Home, transcript_id: str) -> TranscriptDetail:
    """A kept chat.

    Raises:
        NotFound: there is no such chat.
    """
    return _read(_find(home, transcript_id))


def delete_transcript(home: Home, transcript_id: str) -> None:
    """Delete a kept chat; datasets that were made of it stay.

    Raises:
        NotFound: there is no such chat.
    """
    _find(home, transcript_id).unlink()


def export_transcripts(home: Home, ids: Sequence[str]) -> list[str]:
    """A line of JSON for each kept chat, oldest first, in the format `messages`; all without ids.

    Raises:
        NotFound: there is no such chat, or none at all.
    """
    paths = sorted({_find(home, each) for each in ids}) if ids else _paths(home)
    if not paths:
        raise NotFound("no chats are kept", hint="tunesmith chat MODEL --keep TITLE")
    return list(as_lines(_read(path).messages for path in paths))


def _folder(home: Home) -> Path:
    return home.folder / "transcripts"


def _paths(home: Home) -> list[Path]:
    """The oldest first."""
    return sorted(_folder(home).glob("[!.]*.json"))


def _find(home: Home, transcript_id: str) -> Path:
    found = next((each for each in _paths(home) if each.stem == transcript_id), None)
    if found is None:
        raise NotFound(f"there is no transcript {transcript_id}", hint="tunesmith transcripts list")
    return found


def _read(path: Path) -> TranscriptDetail:
    chat = ChatToKeep.model_validate_json(read_text(path))
    time, _, _ = path.stem.rpartition("-")
    view = TranscriptView(
        id=path.stem,
        title=chat.title,
        model=chat.model,
        character=chat.character,
        num_messages=len(chat.messages),
        created_by="",  # nobody else is here
        created_at=datetime.strptime(time, ID_TIME).replace(tzinfo=UTC),
    )
    return TranscriptDetail(view, chat.messages, chat.sampling)
