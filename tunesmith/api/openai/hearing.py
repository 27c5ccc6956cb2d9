"""What is heard of an answer on its way, for the log."""

import json
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tunesmith.service.inference import Route
from tunesmith.service.request_log import Answered, RequestKind
from tunesmith.serving.chats import ChatRequest
from tunesmith.serving.requests import CompletionRequest, EmbeddingRequest

_DATA = "data: "
_DONE = "[DONE]"


class Hearing:
    """Collects texts, times and counts of one answer.

    Attributes:
        status: what came of it so far.
    """

    def __init__(
        self,
        kind: RequestKind,
        body: ChatRequest | CompletionRequest | EmbeddingRequest,
        *,
        began: float,
    ) -> None:
        self.kind: RequestKind = kind
        self.body = body
        self.status = 200
        self._began = began
        self._first_token: float | None = None
        self._texts: dict[int, list[str]] = defaultdict(list)
        self._usage: dict[str, Any] = {}

    def hear(self, line: str) -> bool:
        """Hear a line of a stream; whether the client is to have it as well."""
        data = line.removeprefix(_DATA)
        if data in (line, _DONE):
            return True
        chunk = json.loads(data)
        self._usage = chunk.get("usage") or self._usage
        for choice in chunk.get("choices", ()):
            text = choice.get("text") or _said(choice.get("delta", {}))
            if text:
                self._texts[choice["index"]].append(text)
            is_token = text or choice.get("finish_reason")
            if is_token and self._first_token is None:
                self._first_token = time.monotonic()
        return bool(chunk.get("choices")) or "error" in chunk or self._counts_tokens

    @property
    def _counts_tokens(self) -> bool:
        return not isinstance(self.body, EmbeddingRequest) and self.body.counts_tokens

    def hear_whole(self, content: bytes) -> None:
        """Hear an answer that came at once."""
        whole = json.loads(content)
        self._usage = whole.get("usage") or {}
        for choice in whole.get("choices", ()):
            text = choice.get("text") or _said(choice.get("message", {}))
            self._texts[choice["index"]].append(text)

    def answered(self, route: Route) -> Answered:
        """The line of the log."""
        now = time.monotonic()
        first = None if self._first_token is None else self._first_token - self._began
        return Answered(
            kind=self.kind,
            model=route.model,
            deployment_id=route.deployment_id,
            status=self.status,
            seconds=now - self._began,
            first_token_seconds=first,
            prompt_tokens=int(self._usage.get("prompt_tokens") or 0),
            answer_tokens=int(self._usage.get("completion_tokens") or 0),
            prompt=self._prompt(),
            answer="\n".join("".join(self._texts[index]) for index in sorted(self._texts)),
        )

    def _prompt(self) -> str:
        match self.body:
            case ChatRequest(messages=messages):
                shown: Any = [m.model_dump(exclude_unset=True) for m in messages]
            case CompletionRequest(prompt=prompt):
                shown = prompt
            case EmbeddingRequest(input=given):
                shown = given
        return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def _said(message: Mapping[str, Any]) -> str:
    """Text and calls of tools of a message, or of a part of one."""
    calls = message.get("tool_calls")
    return (message.get("content") or "") + (json.dumps(calls, ensure_ascii=False) if calls else "")
