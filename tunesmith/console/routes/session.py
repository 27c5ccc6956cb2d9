"""Setting up, logging in and out, language and theme."""

from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import (
    SESSION_COOKIE,
    Reader,
    ServicesDep,
    anybody,
    note_call,
    set_session,
)
from tunesmith.console.language import COOKIE, LANGUAGES
from tunesmith.console.pages import THEME_COOKIE, THEMES, go, page_router, render
from tunesmith.errors import AccessDenied, NotFound, TunesmithError
from tunesmith.service import logins, people

router = page_router()
public = [Depends(anybody)]

Text = Annotated[str, Form(min_length=1, max_length=1000)]
_YEAR = 365 * 24 * 3600


@router.get("/login", dependencies=public)
def login_page(request: Request, services: ServicesDep, next: str = "/") -> Response:
    """Where people log in; a fresh installation is set up first."""
    if people.ensure_setup_secret(services) is not None:
        return go(request, "/setup")
    return _login_page(request, next=next)


def _login_page(request: Request, *, next: str, error: str = "", email: str = "") -> HTMLResponse:
    status = 401 if error else 200
    return render(request, "login.html", status=status, next=next, error=error, email=email)


@router.post("/login", dependencies=public)
def log_in(
    request: Request,
    services: ServicesDep,
    email: Text,
    password: Text,
    tenant: Annotated[str, Form(max_length=200)] = "",
    operator: Annotated[bool, Form()] = False,
    next: Annotated[str, Form(max_length=2000)] = "/",
) -> Response:
    """Begin a session and go on to where the visitor wanted to go."""
    note_call(request, services, actor=email, tenant_id=None)
    try:
        secret, _ = logins.log_in(
            services,
            email=email,
            password=password,
            tenant="" if operator else tenant or None,
        )
    except TunesmithError as error:
        return _login_page(request, next=next, error=error.message, email=email)
    response = go(request, _within(next))
    set_session(response, services, secret)
    return response


def _within(address: str) -> str:
    """The address if it is a page of ours, else the first page: a link may name any website."""
    parts = urlsplit(address)
    is_ours = not parts.scheme and not parts.netloc and address.startswith("/")
    return address if is_ours and not address.startswith(("//", "/\\")) else "/"


@router.get("/setup", dependencies=public)
def setup_page(request: Request, services: ServicesDep) -> Response:
    """Where the first owner is made."""
    if people.ensure_setup_secret(services) is None:
        return go(request, "/login")
    return _setup_page(request)


def _setup_page(request: Request, *, error: str = "", email: str = "") -> HTMLResponse:
    return render(request, "setup.html", status=400 if error else 200, error=error, email=email)


@router.post("/setup", dependencies=public)
def set_up(
    request: Request,
    services: ServicesDep,
    secret: Text,
    email: Text,
    password: Text,
    tenant: Text,
) -> Response:
    """Make the first owner, and log them in."""
    note_call(request, services, actor=email, tenant_id=None)
    try:
        people.found(services, secret=secret, email=email, password=password, tenant=tenant)
    except AccessDenied as error:
        return _setup_page(request, error=f"{error.message}; {error.hint}", email=email)
    except TunesmithError as error:
        return _setup_page(request, error=error.message, email=email)
    session, _ = logins.log_in(services, email=email, password=password, tenant=tenant)
    response = go(request, "/")
    set_session(response, services, session)
    return response


@router.post("/logout")
def log_out(request: Request, actor: Reader, services: ServicesDep) -> Response:
    """End the session."""
    if actor.by_session:
        logins.log_out(services, actor)
    response = go(request, "/login")
    response.delete_cookie(SESSION_COOKIE)
    return response


@router.post("/language", dependencies=public)
def choose_language(request: Request, language: Annotated[str, Query()]) -> Response:
    """Show pages in another language from now on."""
    if language not in LANGUAGES:
        raise NotFound(f"there is no language {language!r}", hint=f"choose of {list(LANGUAGES)}")
    return _kept(COOKIE, language)


@router.post("/theme", dependencies=public)
def choose_theme(request: Request, theme: Annotated[str, Query()]) -> Response:
    """Show pages light or dark from now on."""
    if theme not in THEMES:
        raise NotFound(f"there is no theme {theme!r}", hint=f"choose of {list(THEMES)}")
    return _kept(THEME_COOKIE, theme)


def _kept(cookie: str, value: str) -> Response:
    response = Response(headers={"HX-Refresh": "true"})
    response.set_cookie(cookie, value, max_age=_YEAR, samesite="strict", httponly=True)
    return response
