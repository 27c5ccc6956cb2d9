"""Talking to a model on this machine."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tunesmith.service import engine
from tunesmith.service.runs import find_chat_folder
from tunesmith.store.home import Home
from tunesmith.text.conversation import Message

if TYPE_CHECKING:
    from tunesmith.jobs.engine import ChatModel, Sampling

Say = Callable[[str], None]

MAX_TOKENS = 256  # of an answer, where nobody says otherwise


class ChatSession:
    """A conversation with one loaded model."""

    greeting = ""

    def __init__(
        self, model: str, chat: "ChatModel", sampling: "Sampling", *, system: str | None
    ) -> None:
        self._model, self._sampling = model, sampling
        self._chat = chat if system is None else replace(chat, system_prompt=system)
        self._opening = [] if system is None else [Message("system", system)]
        self._messages: list[Message] = []

    def ask(self, prompt: str, *, on_text: Callable[[str], None]) -> str:
        """Say `prompt`; the answer is passed on as it comes, and remembered.

        Raises:
            DatasetRejected: the chat template refuses the conversation.
            ModelRejected: the model has no chat template, or it fails.
        """
        self._messages.append(Message("user", prompt))
        answer = self._chat.stream(self._messages, sampling=self._sampling, on_text=on_text)
        self._messages.append(Message("assistant", answer))
        return answer

    def forget(self) -> None:
        """Start a new conversation."""
        self._messages = []

    def said(self) -> Mapping[str, Any]:
        """The conversation so far, as the fields of a `ChatToKeep` but its title."""
        return {
            "model": self._model,
            "messages": [
                {"role": each.role, "content": each.content}
                for each in [*self._opening, *self._messages]
            ],
            "sampling": {
                "temperature": self._sampling.temperature,
                "max_tokens": self._sampling.max_new_tokens,
            },
        }


def open_chat(
    home: Home, reference: str, *, system: str | None, max_tokens: int, temperature: float, say: Say
) -> ChatSession:
    """Load a model for talking to it.

    Raises:
        NotFound: there is no such model.
        ModelRejected: it cannot be loaded.
        FetchFailed: it is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    _, folder = find_chat_folder(home, reference, say=say)
    loaded = engine.load()
    sampling = loaded.Sampling(max_new_tokens=max_tokens, temperature=temperature)
    return ChatSession(reference, loaded.load_chat_model(folder), sampling, system=system)
