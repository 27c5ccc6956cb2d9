"""The log of requests to models: how long they took, what they cost, what was said."""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.service.access import Actor
from tunesmith.service.services import Services
from tunesmith.store.pages import read_page
from tunesmith.store.tables import ModelRequest, Tenant, new_id

RequestKind: TypeAlias = Literal["chat", "completion", "embedding"]
MAX_CHARACTERS = 100_000  # kept of a prompt or an answer

# What people paste by mistake. The text around stays readable.
_SECRETS = re.compile(
    r"""\b(?:ts|sk|pk|rk)-[\w-]{16,}          # keys of ours and of others
      | \bgh[pousr]_\w{20,} | \bhf_\w{20,} | \bAKIA[0-9A-Z]{16}\b
      | \beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+   # JSON web tokens
      | -----BEGIN[ A-Z]*PRIVATE\ KEY-----.*?(?:-----END[ A-Z]*PRIVATE\ KEY-----|$)
      | (?<=password[=:])\s*\S+ | (?<=[Bb]earer\ )\S{8,}""",
    re.VERBOSE | re.DOTALL,
)
_REDACTED = "[redacted]"


@dataclass(frozen=True)
class Answered:
    """A request to a model, at its end.

    Attributes:
        kind: what was asked for.
        model: what answered.
        deployment_id: of it.
        status: as HTTP has it; 499 if the client left before the end.
        seconds: from the request to the end of the answer.
        first_token_seconds: to the first token, None if none came or they came at once.
        prompt_tokens: read.
        answer_tokens: written.
        prompt: what was asked, as JSON or plain text.
        answer: what was said; several choices one below the other.
    """

    kind: RequestKind
    model: str
    deployment_id: str
    status: int
    seconds: float
    first_token_seconds: float | None
    prompt_tokens: int
    answer_tokens: int
    prompt: str
    answer: str


@dataclass(frozen=True)
class RequestView:
    """A line of the log. Texts are None where the tenant keeps them out."""

    id: str
    time: datetime
    kind: RequestKind
    model: str
    deployment_id: str
    asked_by: str
    status: int
    milliseconds: float
    first_token_milliseconds: float | None
    prompt_tokens: int
    answer_tokens: int
    prompt_characters: int
    answer_characters: int
    prompt_sha256: str
    prompt: str | None
    answer: str | None


@dataclass(frozen=True)
class LogSettings:
    """How a tenant's log is kept."""

    redacts_texts: bool
    days: int


def note_request(services: Services, answered: Answered, *, actor: Actor) -> None:
    """Write a line, with texts or without as the tenant wishes."""
    with services.database.transaction() as db:
        redacts = db.get_one(Tenant, actor.tenant_id).redacts_log
        first = answered.first_token_seconds
        db.add(
            ModelRequest(
                id=new_id("request"),
                tenant_id=actor.tenant_id,
                time=services.clock(),
                kind=answered.kind,
                model=answered.model,
                deployment_id=answered.deployment_id,
                asked_by=actor.email,
                key_id=actor.key_id,
                status=answered.status,
                milliseconds=1000 * answered.seconds,
                first_token_milliseconds=None if first is None else 1000 * first,
                prompt_tokens=answered.prompt_tokens,
                answer_tokens=answered.answer_tokens,
                prompt_characters=len(answered.prompt),
                answer_characters=len(answered.answer),
                prompt_sha256=_digest(answered.prompt),
                prompt=None if redacts else _kept(answered.prompt),
                answer=None if redacts else _kept(answered.answer),
            )
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _kept(text: str) -> str:
    """What is kept of a text: no secrets, no NUL (which no database keeps), not without end."""
    text = _SECRETS.sub(_REDACTED, text[:MAX_CHARACTERS])
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


def list_requests(
    services: Services,
    tenant_id: str,
    *,
    model: str | None,
    deployment_id: str | None,
    failed: bool | None,
    since: datetime | None,
    after: str | None,
    limit: int,
) -> tuple[list[RequestView], bool]:
    """A page of the log, newest first; `after` is the last id seen.

    Raises:
        NotFound: there is no request `after`.
    """
    wanted = select(ModelRequest).where(ModelRequest.tenant_id == tenant_id)
    if model is not None:
        wanted = wanted.where(ModelRequest.model == model)
    if deployment_id is not None:
        wanted = wanted.where(ModelRequest.deployment_id == deployment_id)
    if failed is not None:
        is_failed = ModelRequest.status >= 400
        wanted = wanted.where(is_failed if failed else ~is_failed)
    if since is not None:
        wanted = wanted.where(ModelRequest.time >= since)
    with services.database.reading() as db:
        last = _find(db, tenant_id, after) if after is not None else None
        by = (ModelRequest.time, ModelRequest.id)
        rows, has_more = read_page(db, wanted, by=by, after=last, limit=limit)
        return [_view(row) for row in rows], has_more


def get_request(services: Services, tenant_id: str, request_id: str) -> RequestView:
    """A line of the log.

    Raises:
        NotFound: the tenant has no such request.
    """
    with services.database.reading() as db:
        return _view(_find(db, tenant_id, request_id))


def _find(db: Session, tenant_id: str, request_id: str) -> ModelRequest:
    row = db.get(ModelRequest, request_id)
    if row is None or row.tenant_id != tenant_id:
        raise NotFound(f"there is no request {request_id}")
    return row


def _view(row: ModelRequest) -> RequestView:
    return RequestView(
        id=row.id,
        time=row.time,
        kind=row.kind,  # pyright: ignore[reportArgumentType]  (a column of text)
        model=row.model,
        deployment_id=row.deployment_id,
        asked_by=row.asked_by,
        status=row.status,
        milliseconds=row.milliseconds,
        first_token_milliseconds=row.first_token_milliseconds,
        prompt_tokens=row.prompt_tokens,
        answer_tokens=row.answer_tokens,
        prompt_characters=row.prompt_characters,
        answer_characters=row.answer_characters,
        prompt_sha256=row.prompt_sha256,
        prompt=row.prompt,
        answer=row.answer,
    )


# --- how it is kept --------------------------------------------------------------------------


def log_settings(services: Services, tenant_id: str) -> LogSettings:
    """How a tenant's log is kept."""
    with services.database.reading() as db:
        tenant = db.get_one(Tenant, tenant_id)
        return LogSettings(tenant.redacts_log, tenant.log_days)


def change_log_settings(
    services: Services, tenant_id: str, *, redacts_texts: bool | None, days: int | None
) -> LogSettings:
    """Keep texts out from now on or not; how long lines are kept."""
    with services.database.transaction() as db:
        tenant = db.get_one(Tenant, tenant_id)
        if redacts_texts is not None:
            tenant.redacts_log = redacts_texts
        if days is not None:
            tenant.log_days = days
        return LogSettings(tenant.redacts_log, tenant.log_days)


def sweep_log(services: Services) -> None:
    """Delete lines that are older than their tenants keep them."""
    with services.database.reading() as db:
        tenants = db.execute(select(Tenant.id, Tenant.log_days)).all()
    for tenant_id, days in tenants:
        oldest = services.clock() - timedelta(days=days)
        with services.database.transaction() as db:
            db.execute(
                delete(ModelRequest).where(
                    ModelRequest.tenant_id == tenant_id, ModelRequest.time < oldest
                )
            )
