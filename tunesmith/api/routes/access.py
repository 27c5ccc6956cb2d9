"""Setting up, logging in, and keys."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import Field

from tunesmith.api.access import (
    SESSION_COOKIE,
    KeyHolder,
    Reader,
    ServicesDep,
    anybody,
    note_call,
    set_session,
)
from tunesmith.api.paging import Page
from tunesmith.schema import Strict
from tunesmith.service import keys, logins, people
from tunesmith.service.access import Permission

router = APIRouter(tags=["access"])

Text = Annotated[str, Field(min_length=1, max_length=200)]
# JSON has words where strict settings expect members of the enumeration.
AnyPermission = Annotated[Permission, Field(strict=False)]
Password = Annotated[str, Field(min_length=1, max_length=1000)]


class Setup(Strict):
    """The first owner."""

    secret: Text
    email: Text
    password: Password
    tenant: Text


class Login(Strict):
    """Who logs in, and into which tenant: the first by default, "" for the operator."""

    email: Text
    password: Password
    tenant: str | None = Field(None, max_length=200)


class KeyRequest(Strict):
    """A key to make: what it may do (all that you may, by default) and for how many days."""

    name: Text
    permissions: list[AnyPermission] | None = None
    days: int | None = Field(None, ge=1, le=3650)


class PasswordChange(Strict):
    """The password one has, and the one to have."""

    old: Password
    new: Password


@dataclass(frozen=True)
class Me:
    """Who calls, and what they may do."""

    email: str
    tenant: str
    permissions: list[Permission]


@router.post("/setup", status_code=201, dependencies=[Depends(anybody)])
def set_up(body: Setup, request: Request, services: ServicesDep) -> people.Founded:
    """Make the first owner, with the one-time secret of a fresh installation."""
    note_call(request, services, actor=body.email, tenant_id=None)
    return people.found(
        services,
        secret=body.secret,
        email=body.email,
        password=body.password,
        tenant=body.tenant,
    )


@router.post("/sessions", status_code=201, dependencies=[Depends(anybody)])
def log_in(body: Login, request: Request, services: ServicesDep, response: Response) -> Me:
    """Log in; the answer sets a session's cookie."""
    note_call(request, services, actor=body.email, tenant_id=None)
    secret, actor = logins.log_in(
        services, email=body.email, password=body.password, tenant=body.tenant
    )
    set_session(response, services, secret)
    return Me(actor.email, actor.tenant, sorted(actor.permissions))


@router.delete("/sessions/current", status_code=204)
def log_out(actor: KeyHolder, services: ServicesDep, response: Response) -> None:
    """End the session that the request comes with."""
    logins.log_out(services, actor)
    response.delete_cookie(SESSION_COOKIE)


@router.get("/me")
def me(actor: Reader) -> Me:
    """Who calls, and what they may do."""
    return Me(actor.email, actor.tenant, sorted(actor.permissions))


@router.put("/me/password", status_code=204)
def change_password(body: PasswordChange, actor: KeyHolder, services: ServicesDep) -> None:
    """Give oneself another password."""
    people.change_password(services, actor.person_id, old=body.old, new=body.new)


@router.get("/keys")
def list_keys(actor: KeyHolder, services: ServicesDep) -> Page[keys.KeyView]:
    """One's own keys; for owners, all of the tenant."""
    return Page(data=keys.list_keys(services, actor))


@router.post("/keys", status_code=201)
def add_key(body: KeyRequest, actor: KeyHolder, services: ServicesDep) -> keys.NewKey:
    """Make a key; its secret is shown this once."""
    return keys.add_key(
        services, actor, name=body.name, permissions=body.permissions, days=body.days
    )


@router.delete("/keys/{key_id}", status_code=204)
def revoke_key(key_id: str, actor: KeyHolder, services: ServicesDep) -> None:
    """End a key at once."""
    keys.revoke_key(services, actor, key_id)
