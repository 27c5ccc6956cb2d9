"""Talking to a model that a server has deployed."""

from collections.abc import Callable, Mapping
from typing import Any

from tunesmith.cli.remote.library import edition_of
from tunesmith.cli.remote.server import Server
from tunesmith.cli.workspace import ChatWish
from tunesmith.errors import NotFound
from tunesmith.service.shelves import CHARACTERS, Character, ChatSampling


class RemoteChat:
    """A conversation; see `workspace.Chat`.

    Raises:
        NotFound: the server has no such character.
    """

    def __init__(self, server: Server, wish: ChatWish) -> None:
        self._server, self._character = server, wish.character
        who = (
            Character()
            if wish.character is None
            else edition_of(server, CHARACTERS, wish.character)
        )
        self.greeting = who.greeting
        sampling: Mapping[str, Any] = who.sampling.model_dump(exclude_none=True)
        asked = {"max_tokens": wish.max_tokens, "temperature": wish.temperature}
        wished = {name: value for name, value in asked.items() if value is not None}
        self._request: Mapping[str, Any] = {
            "model": wish.model,
            "stream": True,
            "temperature": 0,
            **sampling,
            **wished,
        }
        system = wish.system if wish.system is not None else who.persona or None
        self._opening = [] if system is None else [{"role": "system", "content": system}]
        if who.greeting:
            self._opening.append({"role": "assistant", "content": who.greeting})
        self._said: list[dict[str, str]] = []

    def ask(self, prompt: str, *, on_text: Callable[[str], None]) -> str:
        """Say `prompt`; the answer is passed on as it comes, and remembered.

        Raises:
            NotFound: the model is not deployed.
            Unavailable: it is on its way, or the server does not answer.
        """
        self._said.append({"role": "user", "content": prompt})
        body = {**self._request, "messages": [*self._opening, *self._said]}
        pieces: list[str] = []
        try:
            for chunk in self._server.chat(body):
                text = chunk["choices"][0]["delta"].get("content") if chunk["choices"] else None
                if text:
                    pieces.append(text)
                    on_text(text)
        except NotFound:
            model = self._request["model"]
            raise NotFound(
                f"{model} is not deployed there", hint=f"tunesmith deployments add {model}"
            ) from None
        answer = "".join(pieces)
        self._said.append({"role": "assistant", "content": answer})
        return answer

    def forget(self) -> None:
        """Start a new conversation."""
        self._said = []

    def said(self) -> Mapping[str, Any]:
        """The conversation so far, as the fields of a `ChatToKeep` but its title."""
        sampling = ChatSampling.model_fields.keys() & self._request.keys()
        return {
            "model": self._request["model"],
            "character": self._character,
            "messages": [*self._opening, *self._said],
            "sampling": {name: self._request[name] for name in sampling},
        }
