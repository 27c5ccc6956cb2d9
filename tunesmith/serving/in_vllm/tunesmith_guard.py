"""Middleware of vLLM, whose own key guards `/v1` alone: others of its paths answer as well."""

import hmac
import os
from collections.abc import Awaitable, Callable
from typing import Any

_REFUSAL = b'{"error": {"message": "no valid key comes with the request", "code": 401}}'


class Guard:
    """Lets through what bears the key, and questions whether it lives."""

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app
        self._expected = f"Bearer {os.environ['VLLM_API_KEY']}".encode()

    async def __call__(
        self, scope: dict[str, Any], receive: Any, send: Callable[..., Awaitable[None]]
    ) -> None:
        """As ASGI says."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] == "http" and not self._may_pass(scope):
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})
        else:
            await self._app(scope, receive, send)

    def _may_pass(self, scope: dict[str, Any]) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        return scope["path"] == "/health" or hmac.compare_digest(given, self._expected)
