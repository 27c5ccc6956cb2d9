"""A request to a model, passed on to the process that answers, and its answer, passed back.

What a process says of errors is not passed on as it is: other tenants' adapters are beside.
"""

import json
import socket
import ssl
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Any, TypeAlias

import anyio
import httpx2
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from tunesmith.api.errors import answer
from tunesmith.api.openai.hearing import Hearing
from tunesmith.errors import Unavailable
from tunesmith.service.access import Actor
from tunesmith.service.inference import Route, find_route
from tunesmith.service.request_log import RequestKind, note_request
from tunesmith.service.services import Services
from tunesmith.serving.answering import EVENT_STREAM, event_of
from tunesmith.serving.chats import ChatRequest
from tunesmith.serving.errors import failure
from tunesmith.serving.requests import (
    OWNER_HEADER,
    CompletionRequest,
    EmbeddingRequest,
)
from tunesmith.serving.streams import ClosingStream, unless_left

Body: TypeAlias = ChatRequest | CompletionRequest | EmbeddingRequest

_PATHS: Mapping[RequestKind, str] = {
    "chat": "/v1/chat/completions",
    "completion": "/v1/completions",
    "embedding": "/v1/embeddings",
}
_TIMEOUT = httpx2.Timeout(connect=5, read=600, write=60, pool=5)
# An answer may take its time, a machine that is gone without a word is noticed within 30 s.
_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
]
# Of its own a client reads all authorities, 30 ms; no address of ours is https, so none is trusted.
_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_MOVED = (401, 404, 503)  # another process has the address, the model is not there yet, or it ends
_ATTEMPTS = 5  # a route may have changed between looking it up and asking
_PAUSE_SECONDS = 0.2
_LEFT = 499  # the client closed the connection; no code of HTTP's says so
_GONE = "the model's process ended before its answer did"


async def relay(
    request: Request, services: Services, actor: Actor, kind: RequestKind, body: Body
) -> Response:
    """Ask the process that answers for the body's model.

    Raises:
        NotFound: the tenant has no such model deployed.
        Conflict: its deployment failed or was stopped.
        Unavailable: it is being deployed, or its process does not answer.
    """
    hearing = Hearing(kind, body, began=time.monotonic())
    transport = httpx2.AsyncHTTPTransport(verify=_TLS, socket_options=_ALIVE, trust_env=False)
    client = httpx2.AsyncClient(timeout=_TIMEOUT, transport=transport, trust_env=False)
    exchange = _Exchange(services, actor, client, hearing)
    is_passed_on = False
    try:
        opened = await unless_left(request, exchange.open())
        if opened is None:
            hearing.status = _LEFT
            return Response(status_code=_LEFT)
        if opened.status_code != 200:
            return await exchange.refuse(request, opened)
        if not isinstance(body, EmbeddingRequest) and body.streams:
            is_passed_on = True
            return ClosingStream(exchange.pass_on(opened), media_type=EVENT_STREAM)
        content = await unless_left(request, opened.aread())
        if content is None:
            hearing.status = _LEFT
            return Response(status_code=_LEFT)
        hearing.hear_whole(content)
        return Response(content, media_type="application/json")
    except httpx2.TransportError:
        hearing.status = 503
        raise Unavailable(_GONE, hint="try again") from None
    finally:
        if not is_passed_on:
            await exchange.end()


class _Exchange:
    """One request to a process and what comes back."""

    def __init__(
        self, services: Services, actor: Actor, client: httpx2.AsyncClient, hearing: Hearing
    ) -> None:
        self._services, self._actor = services, actor
        self._client, self._hearing = client, hearing
        self._route: Route | None = None

    async def open(self) -> httpx2.Response:
        """The beginning of the answer; asked for again where a process has just gone."""
        for _ in range(_ATTEMPTS):
            model = self._hearing.body.model
            self._route = await run_in_threadpool(
                find_route, self._services, self._actor.tenant_id, model
            )
            try:
                opened = await self._ask(self._route)
            except httpx2.TransportError:
                opened = None
            if opened is not None and opened.status_code not in _MOVED:
                return opened
            await anyio.sleep(_PAUSE_SECONDS)
        self._hearing.status = 503
        raise Unavailable("the model's process does not answer", hint="try again shortly")

    async def _ask(self, route: Route) -> httpx2.Response:
        values: dict[str, Any] = self._hearing.body.model_dump(exclude_unset=True, by_alias=True)
        values["model"] = route.model
        if values.get("stream"):  # tokens are counted for the log
            values["stream_options"] = {"include_usage": True}
        asked = self._client.build_request(
            "POST",
            route.address + _PATHS[self._hearing.kind],
            json=values,
            headers={
                "authorization": f"Bearer {route.secret}",
                OWNER_HEADER: self._actor.tenant_id,
            },
        )
        return await self._client.send(asked, stream=True)

    async def refuse(self, request: Request, opened: httpx2.Response) -> Response:
        """Say what the process refuses: its words are about this request alone."""
        self._hearing.status = opened.status_code
        try:
            error = json.loads(await opened.aread())["error"]
            message, code = str(error["message"]), str(error.get("code") or "refused")
            param = error.get("param")
        except (ValueError, KeyError, TypeError):
            message, code, param = "the model refused the request", "refused", None
        return answer(request, opened.status_code, code, message, param=param)

    async def pass_on(self, opened: httpx2.Response) -> AsyncGenerator[str]:
        """The events of a stream, each as it comes."""
        self._hearing.status = _LEFT  # unless it comes to its end
        try:
            async for line in opened.aiter_lines():
                if line and self._hearing.hear(line):
                    yield f"{line}\n\n"
            self._hearing.status = 200
        except httpx2.TransportError:
            self._hearing.status = 503
            yield event_of(failure(503, "unavailable", _GONE, hint="try again"))
        finally:
            with anyio.CancelScope(shield=True):
                await self.end()

    async def end(self) -> None:
        """Close the connection, which ends what is still being written, and note the request."""
        with anyio.CancelScope(shield=True):
            await self._client.aclose()
            if self._route is not None:
                answered = self._hearing.answered(self._route)
                await run_in_threadpool(note_request, self._services, answered, actor=self._actor)
