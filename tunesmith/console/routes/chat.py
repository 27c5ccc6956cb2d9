"""Chats with models side by side, and those that were kept. The talking is in `static/chat`."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Asker, DataEditor, Reader, Runner, ServicesDep
from tunesmith.console.choices import ModelChoice, list_choices
from tunesmith.console.pages import go, notice, page_router, render, text_in
from tunesmith.errors import NotFound
from tunesmith.service import deployments, library, transcripts
from tunesmith.service.access import Actor
from tunesmith.service.library import Edition
from tunesmith.service.services import Services
from tunesmith.service.shelves import CHARACTERS, PROMPTS
from tunesmith.service.transcripts import TranscriptDetail

router = page_router()

MOST_PANES = 4
_PAGE = 50


@router.get("/chat")
def chat(
    request: Request,
    actor: Asker,
    services: ServicesDep,
    model: Annotated[list[str], Query(max_length=MOST_PANES)] = [],  # noqa: B006
    transcript: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """The chat; with models to begin with, or with a kept chat to go on with."""
    if transcript is not None:
        panes = [_told(transcripts.get_transcript(services, actor.tenant_id, transcript))]
        choices = list_choices(services, actor.tenant_id, also=[panes[0]["model"]])
    else:
        choices = list_choices(services, actor.tenant_id, also=model)
        names = [_name_of(each, choices) for each in model]
        names = names or _first_models(services, actor, choices)
        panes = [{"model": name, "turns": []} for name in names]
    asked = {
        "whose": f"{actor.person_id} {actor.tenant_id}",
        "panes": panes,
        "isNew": bool(model or transcript),
    }
    characters = library.list_editions(services, CHARACTERS, actor.tenant_id)
    prompts = library.list_editions(services, PROMPTS, actor.tenant_id)
    return render(
        request,
        "chat.html",
        actor=actor,
        choices=choices,
        asked=asked,
        characters=list(map(_edition, characters)),
        prompts=list(map(_edition, prompts)),
    )


def _name_of(reference: str, choices: Sequence[ModelChoice]) -> str:
    """A model that is asked for by name or id, by its name among those on offer.

    Raises:
        NotFound: it is not on offer.
    """
    for choice in choices:
        if reference == choice.name or (reference == choice.model and choice.group != "alias"):
            return choice.name
    raise NotFound(f"there is no model {reference!r} to chat with", hint="choose another one")


def _first_models(
    services: Services, actor: Actor, choices: Sequence[ModelChoice]
) -> Sequence[str]:
    """Two models that answer, else the first that there is."""
    ready, _ = deployments.list_deployments(
        services, actor.tenant_id, states=["ready"], after=None, limit=MOST_PANES
    )
    answering = {each.alias or each.model for each in ready}
    names = [each.name for each in choices if {each.name, each.model} & answering]
    return names[:2] or [each.name for each in choices[:1]]


def _told(kept: TranscriptDetail) -> Mapping[str, Any]:
    """A kept chat as a pane of its page; rounds count the visitor's messages."""
    turns: list[Mapping[str, Any]] = []
    num_asked = 0
    for turn in kept.messages:
        num_asked += turn.role == "user"
        if turn.role != "system":
            turns.append({"round": num_asked, "role": turn.role, "text": turn.content})
    return {"model": kept.transcript.model, "turns": turns}


def _edition(edition: Edition[Any]) -> Mapping[str, Any]:
    named = {"id": edition.id, "name": edition.name, "version": edition.version}
    return named | edition.content.model_dump(mode="json")


# --- transcripts -----------------------------------------------------------------------------


@router.get("/chat/transcripts")
def transcripts_page(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> HTMLResponse:
    """Kept chats."""
    kept, has_more = transcripts.list_transcripts(
        services, actor.tenant_id, after=after, limit=_PAGE
    )
    return render(request, "transcripts.html", actor=actor, kept=kept, has_more=has_more)


@router.post("/chat/transcripts/dataset")
def make_dataset(
    request: Request,
    actor: Runner,
    services: ServicesDep,
    name: Annotated[str, Form(max_length=200)],
) -> HTMLResponse:
    """Make a dataset of all kept chats."""
    transcripts.make_dataset(services, actor, name=name, ids=[])
    _ = text_in(request)
    return notice(request, _("The dataset is being made; it appears among the datasets."))


@router.get("/chat/transcripts/{transcript_id}")
def transcript_page(
    request: Request, transcript_id: str, actor: Reader, services: ServicesDep
) -> HTMLResponse:
    """A kept chat in full."""
    kept = transcripts.get_transcript(services, actor.tenant_id, transcript_id)
    return render(request, "transcript.html", actor=actor, kept=kept)


@router.delete("/chat/transcripts/{transcript_id}")
def delete_transcript(
    request: Request, transcript_id: str, actor: DataEditor, services: ServicesDep
) -> Response:
    """Delete a kept chat."""
    transcripts.delete_transcript(services, actor.tenant_id, transcript_id)
    return go(request, "/chat/transcripts")
