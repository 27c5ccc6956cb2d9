"""Server-sent events: bytes that flow as long as there is news."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from tunesmith.service.streams import News, Place

# For the OpenAPI file.
EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {}}, "description": "server-sent events"}
}

_POLL_SECONDS = 0.3
_HEARTBEAT_SECONDS = 15  # a comment, so that proxies and readers know that the line lives


def stream(
    request: Request, read: Callable[[Place], News[Place]], *, after: Place
) -> StreamingResponse:
    """Everything that `read` gives from `after` on, until the end or until nobody listens."""
    return StreamingResponse(
        _lines(request, read, after),
        media_type="text/event-stream",
        headers={"x-accel-buffering": "no"},
    )


async def _lines(
    request: Request, read: Callable[[Place], News[Place]], position: Place
) -> AsyncIterator[str]:
    quiet_seconds = 0.0
    while not await request.is_disconnected():
        news = await run_in_threadpool(read, position)
        for event in news.events:
            position = event.position
            data = json.dumps(event.data, ensure_ascii=False)
            yield f"id: {position}\nevent: {event.kind}\ndata: {data}\n\n"
        if news.ended:
            yield f"id: {position}\nevent: end\ndata: {{}}\n\n"
            return
        quiet_seconds = 0.0 if news.events else quiet_seconds + _POLL_SECONDS
        if quiet_seconds >= _HEARTBEAT_SECONDS:
            quiet_seconds = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(_POLL_SECONDS)
