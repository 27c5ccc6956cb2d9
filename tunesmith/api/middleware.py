"""What surrounds every request: an id, limits on its size, and a guard against other websites."""

import logging
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.parse import urlsplit

from prometheus_client import Histogram
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.api.errors import answer

_log = logging.getLogger("tunesmith.requests")

_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_METHODS = (*_SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE")
_UPLOADS = ("/v1/files", "/api/v1/files")
_SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # with no-referrer, browsers hide the Origin of forms as well
    "cache-control": "no-store",
    # Pictures within style sheets are addresses of their own kind (Tabler's icons).
    "content-security-policy": "default-src 'self'; img-src 'self' data:; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
}


class RequestGuard:
    """Gives each request an id and a line in the log, and refuses what no route should see.

    - A Host that is not one of ours: a foreign name that leads here (DNS rebinding).
    - An unsafe method with a foreign Origin: another website in the user's browser.
    - A body that is larger than its limit, whatever its headers say. Only known callers may upload
      more than other requests may hold: bodies are read before routes ask who calls.
    - NUL in the address, which no name of anything has.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Iterable[str],
        max_body: int,
        max_upload: int,
        knows_caller: Callable[[Request], bool],
        durations: Histogram,
    ) -> None:
        self._app = app
        self._hosts = {*_LOCAL_HOSTS, *hosts}
        self._max_body = max_body
        self._max_upload = max_upload
        self._knows_caller = knows_caller
        self._durations = durations

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        began, status = time.monotonic(), 500
        body = _LimitedBody(receive, await self._limit(scope))

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = request_id
                for name, value in _SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            problem = self._problem(scope, limit=body.limit)
            if problem is not None:
                refusal = answer(Request(scope), *problem)
                await refusal(scope, receive, send_with_headers)
            else:
                await self._run(scope, body, send_with_headers)
        finally:
            self._note(scope, status, seconds=time.monotonic() - began)

    def _note(self, scope: Scope, status: int, *, seconds: float) -> None:
        self._durations.labels(_template(scope), _method(scope), status).observe(seconds)
        about = {"request_id": scope["state"]["request_id"], "milliseconds": 1000 * seconds}
        _log.info("%s %s %s", scope["method"], scope["path"], status, extra=about)

    async def _run(self, scope: Scope, body: "_LimitedBody", send: Send) -> None:
        async def send_unless_too_large(message: Message) -> None:
            if not body.is_too_large:
                await send(message)

        # FastAPI takes what the body raises for a malformed body; so the body itself is asked.
        with suppress(_BodyTooLarge):
            await self._app(scope, body.receive, send_unless_too_large)
        if body.is_too_large:
            refusal = answer(Request(scope), 413, "body_too_large", _too_large(body.limit))
            await refusal(scope, body.receive, send)

    async def _limit(self, scope: Scope) -> int:
        is_upload = scope["path"].rstrip("/") in _UPLOADS and scope["method"] == "POST"
        if is_upload and await run_in_threadpool(self._knows_caller, Request(scope)):
            return self._max_upload
        return self._max_body

    def _problem(self, scope: Scope, *, limit: int) -> tuple[int, str, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _without_port(host) not in self._hosts:
            return 403, "host_unknown", "the service does not answer to this host name"
        if scope["method"] not in _SAFE_METHODS:
            origin = headers.get("origin")
            foreign = origin is not None and urlsplit(origin).netloc != host
            if foreign or headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                return 403, "origin_foreign", "another website sent this request"
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length[:20]) > limit:
            return 413, "body_too_large", _too_large(limit)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return 400, "address_invalid", "the address holds a NUL character"
        return None


def _template(scope: Scope) -> str:
    """The route that answered, never the path, which holds names."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    return context.path if context is not None else "none"


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"  # clients make names up


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _too_large(limit: int) -> str:
    return f"the body may have {limit:,} bytes at most"


class _BodyTooLarge(Exception):
    """More bytes arrive than a request may have."""


class _LimitedBody:
    """Counts the bytes of a body as they arrive; its length header may lie."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self.limit = limit
        self._num_bytes = 0
        self.is_too_large = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._num_bytes += len(message.get("body", b""))
        if self._num_bytes > self.limit:
            self.is_too_large = True
            raise _BodyTooLarge
        return message
