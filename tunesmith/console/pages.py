"""How a page is made: templates, the visitor's language and theme, errors as people read them."""

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tunesmith.api.access import services_of
from tunesmith.api.errors import describe_malformed, status_of
from tunesmith.console import formats
from tunesmith.console.assets import static_url
from tunesmith.console.language import LANGUAGES, catalog, language_of
from tunesmith.console.messages import said
from tunesmith.console.words import reason, word
from tunesmith.errors import AccessDenied, LoginRequired, TunesmithError
from tunesmith.service.access import Actor, Permission
from tunesmith.service.paths import hide_paths

THEME_COOKIE = "tunesmith_theme"
THEMES = ("light", "dark")
# The operator is in no tenant, so these pages have nothing to show; links lead everybody to them.
_NOT_THE_OPERATORS = ("/", "/settings")
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Visitor:
    """Who looks at a page, as templates see them."""

    actor: Actor | None
    language: str
    theme: str

    def may(self, permission: str) -> bool:
        """Whether they have a permission, by its name."""
        return self.actor is not None and self.actor.may(Permission(permission))


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    texts = catalog(language)
    cast("Any", environment).install_gettext_callables(texts.gettext, texts.ngettext, newstyle=True)
    environment.globals.update(static=static_url, LANGUAGES=LANGUAGES)
    environment.filters.update(
        word=lambda text: texts.gettext(word(text)),
        reason=lambda text: texts.gettext(reason(text)),
        said=partial(said, language=language),
        number=partial(formats.number, language=language),
        percent=partial(formats.percent, language=language),
        ago=partial(formats.ago, language=language),
        moment=partial(formats.day_and_time, language=language),
        figure=formats.figure,
        polyline=formats.polyline,
        bytes=formats.num_bytes,
        duration=formats.duration,
        settings=formats.settings,
        with_code=formats.with_code,
        json=partial(json.dumps, ensure_ascii=False, indent=2),
    )
    return environment


def text_in(request: Request) -> Callable[[str], str]:
    """The translation of a text that code shows; call it `_`, so that it is extracted."""
    return catalog(language_of(request)).gettext


def render(
    request: Request,
    template: str,
    *,
    actor: Actor | None = None,
    status: int = 200,
    **context: Any,
) -> HTMLResponse:
    """A page, or a part of one, in the visitor's language."""
    language = language_of(request)
    theme = request.cookies.get(THEME_COOKIE, "")
    visitor = Visitor(actor, language, theme if theme in THEMES else "")
    page = _environment(language).get_template(template)
    html = page.render(visitor=visitor, path=request.url.path, **context)
    # What is echoed may hold halves of surrogate pairs, which no page can hold.
    return HTMLResponse(html.encode("utf-8", "replace"), status)


def notice(request: Request, text: str) -> HTMLResponse:
    """A line that tells that something was done; it appears over the page."""
    response = render(request, "parts/notice.html", message=text, hint="", kind="success")
    return _over_the_page(response)


def go(request: Request, address: str) -> Response:
    """Lead the browser to another page of the console."""
    if is_part(request):
        return Response(headers={"HX-Redirect": address})
    return RedirectResponse(address, 303)


def is_part(request: Request) -> bool:
    """Whether a part of a page is asked for, not a page of its own."""
    return "hx-request" in request.headers


def _over_the_page(response: HTMLResponse) -> HTMLResponse:
    response.headers["HX-Retarget"] = "#notices"
    response.headers["HX-Reswap"] = "beforeend"
    return response


class PageRoute(APIRoute):
    """A route of the console: what fails is a page or a notice that says so, never JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler, with errors told to people."""
        handle = super().get_route_handler()

        async def tell(request: Request) -> Response:
            try:
                return await handle(request)
            except LoginRequired:
                return go(request, f"/login?next={quote(_way_back(request))}")
            except TunesmithError as error:
                if isinstance(error, AccessDenied) and request.url.path in _NOT_THE_OPERATORS:
                    return go(request, "/settings/tenants")
                message, hint = hide_paths(services_of(request), "", [error.message, error.hint])
                return _tell(request, status_of(error), message, hint)
            except RequestValidationError as error:
                return _tell(request, 422, describe_malformed(error)[1], "")

        return tell


def _way_back(request: Request) -> str:
    """Where to go after the login: the page at hand, if looking at it is all that was wanted."""
    if request.method == "GET" and not is_part(request):
        query = f"?{request.url.query}" if request.url.query else ""
        return request.url.path + query
    return "/"


def _tell(request: Request, status: int, message: str, hint: str) -> Response:
    if is_part(request):
        response = render(
            request,
            "parts/notice.html",
            status=status,
            message=message,
            hint=hint,
            kind="danger",
        )
        return _over_the_page(response)
    return render(request, "error.html", status=status, code=status, message=message, hint=hint)


def page_router() -> APIRouter:
    """A router for pages, which are no part of the API's description."""
    return APIRouter(route_class=PageRoute, include_in_schema=False)
