"""Every route says who may call it, by one of the dependencies below.

`check_declared` fails the build of the app for a route that does not, so nothing is open by
oversight. What a route declares is in the OpenAPI file as `x-access`.
"""

import hmac
from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from tunesmith.errors import AccessDenied, LoginRequired
from tunesmith.service.access import Actor, Permission, authenticate
from tunesmith.service.audit import record_call
from tunesmith.service.services import Services

SESSION_COOKIE = "tunesmith_session"
PUBLIC = "public"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


def services_of(request: Request) -> Services:
    """The services that the app was built on."""
    services: Services = request.app.state.services
    return services


async def _services(request: Request) -> Services:  # async: it is no work for another thread
    return services_of(request)


ServicesDep = Annotated[Services, Depends(_services)]


class Allowed:
    """The dependency of routes that need `permission`: gives the actor, or refuses.

    What is asked of models is not `audited`: it changes nothing, and has a log of its own.
    """

    def __init__(self, permission: Permission, *, audited: bool = True) -> None:
        self.permission = permission
        self._audited = audited

    def __call__(self, request: Request) -> Actor:
        """The actor of the request.

        Raises:
            LoginRequired: no valid key or session comes with it.
            AccessDenied: the actor may not do this.
        """
        services = services_of(request)
        actor = find_actor(services, request)
        if actor is None:
            raise LoginRequired(
                "no valid key comes with the request", hint="send Authorization: Bearer ts-..."
            )
        if not actor.may(self.permission):
            raise AccessDenied(
                f"this needs the permission {self.permission.value!r}, which you do not have",
                hint="ask an owner of the tenant",
            )
        if self._audited and request.method not in _SAFE_METHODS:
            note_call(request, services, actor=actor.email, tenant_id=actor.tenant_id or None)
        return actor


def note_call(request: Request, services: Services, *, actor: str, tenant_id: str | None) -> None:
    """Write a changing call into the log before the deed: nothing happens that is not in it."""
    record_call(
        services,
        actor=actor,
        tenant_id=tenant_id,
        action=request.scope["route"].name,
        target=",".join(map(str, request.path_params.values())),
        request_id=request.state.request_id,
    )


class AllowedByToken:
    """The dependency of the route that is scraped: the setting `metrics_token` opens it as well."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    def __call__(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            LoginRequired: neither the token nor a valid key comes with it.
            AccessDenied: the actor may not do this.
        """
        token, given = services_of(request).config.metrics_token, _bearer(request)
        if token is not None and given is not None:
            expected = token.get_secret_value().encode()
            if hmac.compare_digest(given.encode(), expected):
                return
        Allowed(self.permission)(request)


def _bearer(request: Request) -> str | None:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


def find_actor(services: Services, request: Request) -> Actor | None:
    """Whose key or session comes with a request, None where nobody known calls."""
    secret = _bearer(request)
    if secret is not None:
        return authenticate(services, secret)
    cookie = request.cookies.get(SESSION_COOKIE)
    return authenticate(services, cookie, by_session=True) if cookie else None


def set_session(response: Response, services: Services, secret: str) -> None:
    """Give a browser the session that begins."""
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=round(services.config.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=services.config.tls_certificate is not None or services.config.behind_proxy,
    )


Reader = Annotated[Actor, Depends(Allowed(Permission.READ))]
Asker = Annotated[Actor, Depends(Allowed(Permission.ASK, audited=False))]
DataEditor = Annotated[Actor, Depends(Allowed(Permission.DATA))]
Runner = Annotated[Actor, Depends(Allowed(Permission.RUN))]
ModelEditor = Annotated[Actor, Depends(Allowed(Permission.MODELS))]
KeyHolder = Annotated[Actor, Depends(Allowed(Permission.KEYS))]
Manager = Annotated[Actor, Depends(Allowed(Permission.MANAGE))]
Operator = Annotated[Actor, Depends(Allowed(Permission.OPERATE))]


async def anybody() -> None:
    """The dependency of routes that need no login."""


def declared_access(route: RouteContext) -> str | None:
    """The permission that a route needs, `PUBLIC`, or None if it says nothing."""
    if getattr(route, "dependant", None) is None:  # a mounted app, or a route that is not FastAPI's
        return None
    for call in _calls(route.dependant):
        if isinstance(call, Allowed | AllowedByToken):
            return call.permission.value
        if call is anybody:
            return PUBLIC
    return None


def _calls(dependant: Dependant) -> Iterator[object]:
    for inner in dependant.dependencies:
        yield inner.call
        yield from _calls(inner)


def check_declared(app: FastAPI) -> None:
    """Refuse to build an app with a route that does not say who may call it."""
    for route in iter_route_contexts(app.routes):
        # The description of the API is open; FastAPI adds its route without asking us.
        if route.path != app.openapi_url and declared_access(route) is None:
            raise AssertionError(f"the route {route.path} does not declare who may call it")
