"""Settings of a tenant: people, keys, machines, channels, usage, one's password."""

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import SecretStr

from tunesmith.api.access import KeyHolder, Manager, Reader, ServicesDep
from tunesmith.console.lists import FIRST_PART, Part, Wanted, WantedPart
from tunesmith.console.pages import go, notice, page_router, render, text_in
from tunesmith.service import channels, keys, operating, people, tenants, usage
from tunesmith.service.access import Actor, Permission
from tunesmith.service.services import Services
from tunesmith.store.tables import Role

router = page_router()

_DELIVERIES_SHOWN = 20

Email = Annotated[str, Form(min_length=3, max_length=254)]
# None, an empty field, where somebody is known here already.
FirstPassword = Annotated[str | None, Form(max_length=1000)]
Secret = Annotated[SecretStr, Form(min_length=1, max_length=1000)]


@router.get("/settings")
def settings(request: Request, actor: Reader) -> Response:
    """The first of the tabs."""
    return go(request, "/settings/members")


# --- members ---------------------------------------------------------------------------------


@router.get("/settings/members")
def list_members(
    request: Request, actor: Reader, services: ServicesDep, wanted: WantedPart
) -> HTMLResponse:
    """Who is in the tenant."""
    return render(
        request,
        "settings/members.html",
        actor=actor,
        tenant=tenants.get_tenant(services, actor.tenant_id),
        members=wanted.of(
            people.list_members(services, actor.tenant_id), name=lambda each: each.email
        ),
    )


@router.post("/settings/members")
def add_member(
    request: Request,
    actor: Manager,
    services: ServicesDep,
    email: Email,
    role: Annotated[Role, Form()],
    password: FirstPassword = None,
) -> Response:
    """Take somebody in."""
    people.add_member(services, actor.tenant_id, email=email, role=role, password=password)
    return go(request, "/settings/members")


@router.post("/settings/members/{person_id}")
def change_member(
    request: Request,
    actor: Manager,
    services: ServicesDep,
    person_id: str,
    role: Annotated[Role, Form()],
) -> Response:
    """Give a member another role."""
    _ = text_in(request)
    people.change_member(services, actor.tenant_id, person_id, role=role)
    return notice(request, _("The role is changed."))


@router.delete("/settings/members/{person_id}")
def remove_member(
    request: Request, actor: Manager, services: ServicesDep, person_id: str
) -> Response:
    """Take a member out."""
    people.change_member(services, actor.tenant_id, person_id, role=None)
    return go(request, "/settings/members")


# --- keys and password -----------------------------------------------------------------------


@router.get("/settings/keys")
def list_keys(
    request: Request, actor: KeyHolder, services: ServicesDep, wanted: WantedPart
) -> HTMLResponse:
    """One's keys; for owners, all of the tenant."""
    return render(
        request,
        "settings/keys.html",
        actor=actor,
        keys=_keys(services, actor, wanted),
        permissions=[each for each in Permission if actor.may(each)],
    )


@router.post("/settings/keys")
def add_key(
    request: Request,
    actor: KeyHolder,
    services: ServicesDep,
    name: Annotated[str, Form(min_length=1, max_length=200)],
    permissions: Annotated[list[Permission], Form(max_length=20)],
    days: Annotated[int | None, Form(ge=1, le=3650)] = None,
) -> HTMLResponse:
    """Make a key; the part that comes back shows its secret, this once."""
    made = keys.add_key(services, actor, name=name, permissions=permissions, days=days)
    return render(
        request,
        "parts/new_key.html",
        actor=actor,
        made=made,
        keys=_keys(services, actor, FIRST_PART),
    )


@router.delete("/settings/keys/{key_id}")
def revoke_key(
    request: Request, actor: KeyHolder, services: ServicesDep, key_id: str
) -> HTMLResponse:
    """End a key at once; the part that comes back is the list without it."""
    keys.revoke_key(services, actor, key_id)
    shown = _keys(services, actor, FIRST_PART)
    return render(request, "parts/keys.html", actor=actor, keys=shown)


def _keys(services: Services, actor: Actor, wanted: Wanted) -> Part[keys.KeyView]:
    """A part of the keys, to be found by their names and holders."""
    found = keys.list_keys(services, actor)
    return wanted.of(found, name=lambda each: f"{each.name} {each.email}")


@router.get("/settings/password")
def password_page(request: Request, actor: KeyHolder) -> HTMLResponse:
    """Where one changes one's password."""
    return render(
        request, "settings/password.html", actor=actor, shortest=people.MIN_PASSWORD_CHARACTERS
    )


@router.post("/settings/password")
def change_password(
    request: Request, actor: KeyHolder, services: ServicesDep, old: Secret, new: Secret
) -> Response:
    """Change it."""
    _ = text_in(request)
    people.change_password(
        services, actor.person_id, old=old.get_secret_value(), new=new.get_secret_value()
    )
    return notice(request, _("The password is changed."))


# --- machines and usage ----------------------------------------------------------------------


@router.get("/settings/machines")
def machines(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """Pools and workers as tenants see them."""
    return render(
        request,
        "settings/machines.html",
        actor=actor,
        pools=operating.list_pools(services),
        workers=operating.list_workers(services),
    )


@router.get("/settings/usage")
def list_usage(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """Time and cost, month by month."""
    return render(
        request,
        "settings/usage.html",
        actor=actor,
        months=usage.list_months(services, actor.tenant_id),
        tenant=tenants.get_tenant(services, actor.tenant_id),
    )


# --- channels --------------------------------------------------------------------------------


@router.get("/settings/notifications")
def list_channels(
    request: Request, actor: Reader, services: ServicesDep, wanted: WantedPart
) -> HTMLResponse:
    """Where messages go."""
    every = channels.list_channels(services, actor.tenant_id)
    found = wanted.of(every, name=lambda each: each.name)
    return render(request, "settings/notifications.html", actor=actor, channels=found)


@router.post("/settings/notifications")
def add_channel(
    request: Request,
    actor: Manager,
    services: ServicesDep,
    name: Annotated[str, Form(min_length=1, max_length=200)],
    url: Annotated[SecretStr, Form(min_length=1, max_length=2000)],
    hears_all: Annotated[bool, Form()] = False,
) -> Response:
    """Keep a channel."""
    channel = channels.add_channel(services, actor.tenant_id, name=name, url=url.get_secret_value())
    if hears_all:
        channels.change_channel(services, actor.tenant_id, channel.id, hears_all=True)
    return go(request, "/settings/notifications")


@router.post("/settings/notifications/{channel_id}")
def change_channel(
    request: Request,
    actor: Manager,
    services: ServicesDep,
    channel_id: str,
    hears_all: Annotated[bool, Form()] = False,
) -> Response:
    """Let a channel hear of everything, or only of what names it."""
    _ = text_in(request)
    channels.change_channel(services, actor.tenant_id, channel_id, hears_all=hears_all)
    return notice(
        request,
        _("It hears of every training and deployment from now on.")
        if hears_all
        else _("It hears of those that name it."),
    )


@router.post("/settings/notifications/{channel_id}/trial")
def try_channel(
    request: Request, actor: Manager, services: ServicesDep, channel_id: str
) -> HTMLResponse:
    """Send a trial message now; the part that comes back says whether it arrived."""
    trial = channels.try_channel(services, actor, channel_id)
    return render(request, "parts/trial.html", actor=actor, trial=trial)


@router.get("/settings/notifications/{channel_id}/deliveries")
def list_deliveries(
    request: Request, actor: Reader, services: ServicesDep, channel_id: str
) -> HTMLResponse:
    """What became of the channel's last messages, as a part."""
    found, _ = channels.list_deliveries(
        services, actor.tenant_id, channel_id, limit=_DELIVERIES_SHOWN
    )
    return render(request, "parts/deliveries.html", actor=actor, deliveries=found)


@router.delete("/settings/notifications/{channel_id}")
def delete_channel(
    request: Request, actor: Manager, services: ServicesDep, channel_id: str
) -> Response:
    """Delete a channel."""
    channels.delete_channel(services, actor.tenant_id, channel_id)
    return go(request, "/settings/notifications")
