"""What stands before vLLM's own paths."""

from typing import Any

import pytest
from anyio.from_thread import start_blocking_portal

from tunesmith.serving.in_vllm.tunesmith_guard import Guard


@pytest.mark.parametrize(
    ("kind", "path", "key", "status"),
    [
        ("http", "/invocations", None, 401),
        ("http", "/v1/models", "guessed", 401),
        ("http", "/invocations", "sesame", 200),
        ("http", "/health", None, 200),
        ("websocket", "/v1/realtime", "sesame", 1008),
        ("lifespan", None, None, 200),
    ],
)
def test_only_what_bears_the_key_passes(
    kind: str, path: str | None, key: str | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_API_KEY", "sesame")
    heard: list[int] = []

    async def vllm(scope: Any, receive: Any, send: Any) -> None:
        heard.append(200)

    async def send(message: dict[str, Any]) -> None:
        heard.extend(message[name] for name in ("status", "code") if name in message)

    headers = [] if key is None else [(b"authorization", f"Bearer {key}".encode())]
    scope = {"type": kind, "path": path, "headers": headers}
    with start_blocking_portal() as portal:  # a thread's: a browser may have this one's loop
        portal.call(Guard(vllm), scope, None, send)
    assert heard == [status]
