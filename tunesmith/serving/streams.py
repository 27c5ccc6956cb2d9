"""Answers on their way over HTTP: as they are written, and ended at once when the reader leaves."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from tunesmith.serving.protocol import Engine, GenerationRequest, Piece, Stream

Result = TypeVar("Result")


class Answers:
    """Pieces of several requests as they come; choices are counted on from one to the next.

    Whoever has them closes them: that ends what is still being written and frees its room.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[Piece | Exception] = asyncio.Queue()
        self._streams: list[Stream] = []
        self._num_open = 0

    async def add(self, engine: Engine, request: GenerationRequest) -> None:
        """Ask for one request more.

        Raises:
            NotFound: its adapter is not loaded.
            RequestRejected: it can never be answered.
            Unavailable: the engine has ended.
        """
        deliver = partial(self._deliver, self._num_open)
        with anyio.CancelScope(shield=True):  # or nobody would know the stream to close
            self._streams.append(await run_in_threadpool(engine.submit, request, deliver=deliver))
        self._num_open += request.sampling.num_choices

    def _deliver(self, first_choice: int, piece: Piece | Exception) -> None:
        if isinstance(piece, Piece):
            piece = replace(piece, choice=first_choice + piece.choice)
        with suppress(RuntimeError):  # the loop has ended: nobody waits any more
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, piece)

    def __aiter__(self) -> "Answers":
        return self

    async def __anext__(self) -> Piece:
        if self._num_open == 0:
            raise StopAsyncIteration
        piece = await self._arrived.get()
        if isinstance(piece, Exception):
            raise piece
        self._num_open -= piece.finish is not None
        return piece

    async def aclose(self) -> None:
        """End what is still being written."""
        with anyio.CancelScope(shield=True):
            for stream in self._streams:
                await run_in_threadpool(stream.close)


async def submit(engine: Engine, requests: Sequence[GenerationRequest]) -> Answers:
    """Ask for all `requests`.

    Raises:
        NotFound: an adapter is not loaded.
        RequestRejected: a request can never be answered.
        Unavailable: the engine has ended.
    """
    answers = Answers()
    try:
        for request in requests:
            await answers.add(engine, request)
    except BaseException:
        await answers.aclose()
        raise
    return answers


class ClosingStream(StreamingResponse):
    """A stream whose source is closed as soon as the reader has left, wherever it stands."""

    def __init__(self, content: AsyncGenerator[Any], **more: Any) -> None:
        super().__init__(content, **more)
        self._content = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._content.aclose()


async def unless_left(request: Request, work: Awaitable[Result]) -> Result | None:
    """What `work` comes to; None, and it is cancelled, if the client leaves before."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
