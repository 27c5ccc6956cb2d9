"""The service over HTTP: calls, uploads, downloads and event streams."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx2
from pydantic import TypeAdapter

from tunesmith import errors
from tunesmith.artifacts import replacing
from tunesmith.cli.remote.credentials import Credentials
from tunesmith.errors import NotFound, RecipeInvalid, TunesmithError, Unavailable

_SECONDS = 60.0  # without a byte; streams send a sign of life more often
_LONGEST_PAUSE = 15.0
_PAGE = 100

View = TypeVar("View")
OnBytes = Callable[[int, int | None], None]


@dataclass(frozen=True)
class StreamEvent:
    """One event of a stream."""

    id: str
    kind: str
    data: dict[str, Any]


class Server:
    """A connection; every method raises what the server's answer says went wrong.

    Raises, each: UserError for what the server refuses, as it would be on this machine;
    Unavailable, if it does not answer.
    """

    def __init__(self, credentials: Credentials) -> None:
        headers = {"authorization": f"Bearer {credentials.key}"} if credentials.key else {}
        self._client = httpx2.Client(
            base_url=f"{_checked(credentials.server)}/api/v1", headers=headers, timeout=_SECONDS
        )
        self.address = credentials.server

    def call(self, method: str, path: str, **content: Any) -> Any:
        """One request's answer as JSON; None if it is empty."""
        answer = self._request(method, path, **content)
        return answer.json() if answer.content else None

    def view(self, kind: type[View], method: str, path: str, **content: Any) -> View:
        """One request's answer as the view it is."""
        return rebuilt(kind, self.call(method, path, **content))

    def list(
        self,
        kind: type[View],
        path: str,
        /,
        *,
        last_id: Callable[[Any], str] = lambda entry: entry.get("id") or entry["name"],
        **wanted: Any,
    ) -> Iterator[View]:
        """All entries of a list, page by page; the last one's id, or name, asks for the next."""
        after: dict[str, Any] = {}
        while True:
            page = self.call("GET", path, params={"limit": _PAGE, **wanted, **after})
            yield from (rebuilt(kind, entry) for entry in page["data"])
            if not page["has_more"]:
                return
            after = {"after": last_id(page["data"][-1])}

    def numbered(self, kind: type[View], path: str) -> Iterator[View]:
        """All entries of a list that is asked for by how many were seen, page by page."""
        for after in count(0, _PAGE):
            page = self.call("GET", path, params={"after": after, "limit": _PAGE})
            yield from (rebuilt(kind, entry) for entry in page["data"])
            if not page["has_more"]:
                return

    def upload(self, path: Path, *, on_bytes: OnBytes) -> str:
        """Upload a file and return its id; a piece of it is in memory at a time.

        Raises:
            NotFound: there is no such file here.
            RecipeInvalid: it is a folder.
        """
        if path.is_dir():
            raise RecipeInvalid(f"{path} is a folder", hint="pack it into a .zip and import that")
        if not path.is_file():
            raise NotFound(f"there is no file {path}", hint="check the path")
        total = path.stat().st_size
        with path.open("rb") as file:
            counted = _CountedFile(file, lambda done: on_bytes(min(done, total), total))
            answer = self.call("POST", "/files", files={"file": (path.name, cast("Any", counted))})
        return str(answer["id"])

    def download(self, path: str, into: Path, *, overwrite: bool, **wanted: Any) -> None:
        """Write an answer's bytes to `into`, which is there only if all of them arrived.

        Raises:
            Conflict, NotFound: as of `artifacts.replacing`.
        """
        with replacing(into, overwrite=overwrite) as partial:
            try:
                with (
                    self._client.stream("GET", path, params=wanted) as answer,
                    partial.open("wb") as file,
                ):
                    _check(answer)
                    for chunk in answer.iter_bytes():
                        file.write(chunk)
            except httpx2.TransportError as error:
                raise self._lost(error) from error

    def chat(self, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The pieces of a model's answer as they come, as OpenAI's API shapes them.

        Raises:
            Unavailable: the model ended on the way, or the line dropped.
        """
        url = f"{self.address}/v1/chat/completions"
        try:
            with self._client.stream("POST", url, json=request) as answer:
                _check(answer)
                for line in answer.iter_lines():
                    data = line.removeprefix("data: ")
                    if data == line or data == "[DONE]":
                        continue
                    chunk = json.loads(data)
                    if "error" in chunk:
                        raise Unavailable(chunk["error"]["message"], hint="ask again")
                    yield chunk
        except httpx2.TransportError as error:
            raise self._lost(error) from error

    def events(
        self, path: str, *, say: Callable[[str], None], until_quiet_seconds: float | None = None
    ) -> Iterator[StreamEvent]:
        """A stream to its end, or until it is quiet for so long.

        Where the line drops it goes on after the last event seen, and `say` says so.
        """
        timeout = httpx2.Timeout(_SECONDS, read=until_quiet_seconds or _SECONDS)
        last_id, pause = "", 1.0
        while True:
            headers = {"last-event-id": last_id} if last_id else {}
            try:
                with self._client.stream("GET", path, headers=headers, timeout=timeout) as answer:
                    _check(answer)
                    for event in _parse_events(answer.iter_lines()):
                        last_id, pause = event.id, 1.0
                        if event.kind == "end":
                            return
                        yield event
            except (httpx2.TransportError, Unavailable) as error:
                if until_quiet_seconds is not None and isinstance(error, httpx2.ReadTimeout):
                    return
            say(f"the line to {self.address} dropped; trying again in {pause:.0f} s")
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, 2 * pause)

    def _request(self, method: str, path: str, **content: Any) -> httpx2.Response:
        try:
            answer = self._client.request(method, path, **content)
        except httpx2.TransportError as error:
            raise self._lost(error) from error
        _check(answer)
        return answer

    def _lost(self, error: Exception) -> Unavailable:
        reason = str(error) or type(error).__name__
        return Unavailable(f"{self.address} does not answer: {reason}", hint="is it running?")


def rebuilt(kind: type[View], value: Any) -> View:
    """A view out of its JSON."""
    return TypeAdapter(kind).validate_python(value)


def _checked(address: str) -> str:
    parts = httpx2.URL(address)
    if parts.scheme not in ("http", "https") or not parts.host:
        raise RecipeInvalid(f"{address} is no server's address", hint="write https://HOST")
    return address


def _check(answer: httpx2.Response) -> None:
    """Raise the error that an answer tells of, of the class it had on the server."""
    if answer.is_success:
        return
    answer.read()
    try:
        body = answer.json()
        body = body.get("error", body)  # so under /v1, where the sentence holds the hint
        message, hint, code = body["message"], body.get("hint", ""), body["code"]
    except (ValueError, KeyError, TypeError):
        raise Unavailable(f"the server answered {answer.status_code}") from None
    name = "".join(word.capitalize() for word in str(code).split("_"))
    kind = getattr(errors, name, None)
    if not (isinstance(kind, type) and issubclass(kind, TunesmithError)):
        kind = Unavailable if answer.status_code >= 500 else RecipeInvalid
    raise kind(message, hint=hint)


def _parse_events(lines: Iterator[str]) -> Iterator[StreamEvent]:
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            fields[name] = value
        elif not line and "event" in fields:
            yield StreamEvent(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}


class _CountedFile:
    """A file that tells how far it was read."""

    def __init__(self, file: Any, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._on_bytes = on_bytes

    def read(self, size: int = -1) -> bytes:
        chunk: bytes = self._file.read(size)
        self._on_bytes(self._file.tell())
        return chunk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
