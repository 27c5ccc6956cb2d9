"""The log of requests to models: looking through it, and how it is kept."""

import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypeAlias

from fastapi import Form, Query, Request
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Manager, Reader, ServicesDep
from tunesmith.console.choices import list_choices
from tunesmith.console.pages import notice, page_router, render, text_in
from tunesmith.service import request_log
from tunesmith.service.access import Actor
from tunesmith.service.request_log import RequestView
from tunesmith.service.services import Services

router = page_router()

_PAGE = 50

Model: TypeAlias = Annotated[str, Query(max_length=300)]
Outcome: TypeAlias = Literal["", "answered", "failed"]
After: TypeAlias = Annotated[str | None, Query(max_length=200)]


@router.get("/deployments/requests")
def requests_page(
    request: Request, actor: Reader, services: ServicesDep, model: Model = "", outcome: Outcome = ""
) -> HTMLResponse:
    """The log with its filters."""
    return render(
        request,
        "requests.html",
        actor=actor,
        choices=[
            each
            for each in list_choices(services, actor.tenant_id, encoders=True, also=[model])
            if each.group != "alias"
        ],
        settings=request_log.log_settings(services, actor.tenant_id),
        **_page(services, actor, model=model, outcome=outcome, after=None),
    )


@router.get("/deployments/requests/list")
def requests_list(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    model: Model = "",
    outcome: Outcome = "",
    after: After = None,
) -> HTMLResponse:
    """A page of the log."""
    page = _page(services, actor, model=model, outcome=outcome, after=after)
    return render(request, "parts/requests.html", actor=actor, **page)


def _page(
    services: Services, actor: Actor, *, model: str, outcome: Outcome, after: str | None
) -> Mapping[str, Any]:
    requests, has_more = request_log.list_requests(
        services,
        actor.tenant_id,
        model=model or None,
        deployment_id=None,
        failed={"": None, "answered": False, "failed": True}[outcome],
        since=None,
        after=after,
        limit=_PAGE,
    )
    asked = {each.model for each in requests}
    choices = list_choices(services, actor.tenant_id, encoders=True, also=asked)
    names = {each.model: each.name for each in choices}
    lines = [(each, names.get(each.model, each.model), list(_turns(each))) for each in requests]
    return {"lines": lines, "has_more": has_more, "model": model, "outcome": outcome}


def _turns(asked: RequestView) -> Iterator[tuple[str, str]]:
    """Who said what, as far as the log has kept it."""
    try:
        prompt: Any = json.loads(asked.prompt or "")
    except ValueError:  # plain text, or cut where it was too long
        prompt = asked.prompt
    if asked.kind == "chat" and isinstance(prompt, list):
        for message in prompt:  # pyright: ignore[reportUnknownVariableType]
            if isinstance(message, dict):
                yield str(message.get("role")), _text(message.get("content"))  # pyright: ignore
    elif prompt is not None:
        yield "prompt", _text(prompt)
    if asked.answer:
        yield "assistant", asked.answer


def _text(content: Any) -> str:
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


@router.post("/deployments/requests/settings")
def change_settings(
    request: Request,
    actor: Manager,
    services: ServicesDep,
    days: Annotated[int, Form(ge=1, le=3650)],
    keeps_texts: Annotated[bool, Form()] = False,
) -> HTMLResponse:
    """Keep texts or not; for how long."""
    request_log.change_log_settings(
        services, actor.tenant_id, redacts_texts=not keeps_texts, days=days
    )
    _ = text_in(request)
    return notice(request, _("Kept from now on."))
