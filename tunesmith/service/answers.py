"""Talking to models, comparing and scoring them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.data.dataset import open_version
from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.config import EvaluationConfig
from tunesmith.schema import read_text
from tunesmith.service import engine
from tunesmith.service.runs import find_chat_folder
from tunesmith.store.home import Home
from tunesmith.text.conversation import Message

if TYPE_CHECKING:
    from tunesmith.jobs.engine import ChatModel, Sampling, Score

OnProgress = Callable[[str, int, int], None]
"""Called with the model's name, prompts answered, prompts in all."""
Say = Callable[[str], None]


class ChatSession:
    """A conversation with one loaded model."""

    def __init__(self, chat: "ChatModel", sampling: "Sampling") -> None:
        self._chat, self._sampling = chat, sampling
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
    chat = loaded.load_chat_model(folder)
    if system is not None:
        chat = replace(chat, system_prompt=system)
    return ChatSession(chat, loaded.Sampling(max_new_tokens=max_tokens, temperature=temperature))


@dataclass(frozen=True)
class Exchange:
    """One prompt and every model's answer to it."""

    prompt: str
    answers: dict[str, str]


def compare(
    home: Home,
    references: Sequence[str],
    prompts: Path,
    *,
    limit: int | None,
    max_tokens: int,
    on_progress: OnProgress,
) -> list[Exchange]:
    """Ask all models the prompts of a file: one a line, or JSON lines with `messages` or `prompt`.

    Raises:
        NotFound: the file or a model does not exist.
        DatasetRejected: the file holds no prompt, or a chat template refuses one.
        RecipeInvalid: the file is not UTF-8 text.
        ModelRejected: a model cannot be loaded, or has no chat template.
        FetchFailed: a model is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    conversations = read_prompts(prompts)[:limit]
    models = [find_chat_folder(home, reference) for reference in references]
    loaded = engine.load()
    answers = loaded.ask(
        models,
        [loaded.Question(tuple(messages)) for messages in conversations],
        sampling=loaded.Sampling(max_new_tokens=max_tokens),
        on_progress=on_progress,
    )
    return [
        Exchange(messages[-1].content, {name: texts[index] for name, texts in answers})
        for index, messages in enumerate(conversations)
    ]


def read_prompts(path: Path) -> list[list[Message]]:
    """The conversations of a prompts file, each up to where the model answers.

    Raises:
        NotFound: there is no such file.
        DatasetRejected: it holds no prompt, or a line is not of a known shape.
        RecipeInvalid: it is not UTF-8 text.
    """
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise DatasetRejected(f"{path} holds no prompt", hint="write one prompt a line")
    if path.suffix != ".jsonl":
        return [[Message("user", line)] for line in lines]
    return [
        _messages_of(line, where=f"{path}, line {number}") for number, line in enumerate(lines, 1)
    ]


def _messages_of(line: str, *, where: str) -> list[Message]:
    try:
        row = json.loads(line)
        if "messages" not in row:
            return [Message("user", str(row["prompt"]))]
        messages = [Message(part["role"], part["content"]) for part in row["messages"]]
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetRejected(
            f"{where}: expected {{'messages': [...]}} or {{'prompt': ...}}"
        ) from error
    while messages and messages[-1].role == "assistant":
        messages.pop()
    if not messages:
        raise DatasetRejected(f"{where}: there is no user message to answer")
    return messages


def evaluate(
    home: Home,
    references: Sequence[str],
    dataset: str,
    *,
    metric: str,
    limit: int,
    max_tokens: int,
    on_progress: OnProgress,
) -> list["Score"]:
    """Score models on the last answers of a dataset's conversations.

    Raises:
        NotFound: the dataset, a model or the metric does not exist.
        DatasetRejected: the dataset has no conversations, or a chat template refuses one.
        ModelRejected: a model cannot be loaded, or has no chat template.
        FetchFailed: a model is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    config = EvaluationConfig(metric=metric, max_examples=limit, max_new_tokens=max_tokens)
    version = open_version(home.datasets / home.find("dataset", dataset).id)
    models = [find_chat_folder(home, reference) for reference in references]
    loaded = engine.load()
    questions = loaded.questions_of(version, limit=limit)
    return loaded.evaluate_models(models, questions, config, on_progress=on_progress)
