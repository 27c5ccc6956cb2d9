"""What models are asked: prompts given by hand, in files and in datasets. Torch-free."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self, cast

from pydantic import model_validator

from tunesmith.data.dataset import DatasetVersion, read_examples
from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.templates import fill_in, variables_in
from tunesmith.schema import LongText, Strict, read_text, setting, validate
from tunesmith.text.conversation import Conversation, Message


class Turn(Strict):
    """A message of a conversation that is given by hand."""

    role: Literal["system", "user", "assistant"]
    content: LongText


class Prompt(Strict):
    """What all models are asked: a `prompt`, or `messages` up to where the model answers."""

    prompt: LongText = setting("", "what the user says")
    messages: list[Turn] = setting([], "or a conversation", max_length=1000)
    reference: LongText | None = setting(None, "the right answer, to compare with")
    variables: dict[str, LongText] = setting({}, "values by name, for templates", max_length=100)

    @model_validator(mode="after")
    def _check_shape(self) -> Self:
        if bool(self.prompt) == bool(self.messages):
            raise ValueError("give either a prompt or messages")
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("the last message must be the user's")
        return self


@dataclass(frozen=True)
class Question:
    """A conversation up to where the model answers; `reference` is the right answer, if known."""

    messages: tuple[Message, ...]
    reference: str | None = None
    variables: Mapping[str, str] | None = None

    @classmethod
    def of(cls, prompt: Prompt) -> Self:
        """The question that `prompt` puts."""
        turns = prompt.messages or [Turn(role="user", content=prompt.prompt)]
        messages = tuple(Message(turn.role, turn.content) for turn in turns)
        return cls(messages, prompt.reference, prompt.variables)


def questions_of(version: DatasetVersion, *, limit: int | None) -> list[Question]:
    """The first `limit` conversations of a dataset version, each cut before its last answer."""
    questions: list[Question] = []
    for _, example in read_examples(version):
        if isinstance(example, Conversation):
            last = max(
                i for i, message in enumerate(example.messages) if message.role == "assistant"
            )
            questions.append(Question(example.messages[:last], example.messages[last].content))
        if len(questions) == limit:
            break
    return questions


def filled_in(question: Question, template: str) -> Question:
    """`question` with its last message as `template` says.

    In a template `{{prompt}}` is that message, and every other name one of the variables.

    Raises:
        DatasetRejected: the question has no value for a variable.
    """
    last = question.messages[-1]
    values = {**(question.variables or {}), "prompt": last.content}
    missing = sorted(variables_in(template) - set(values))
    if missing:
        raise DatasetRejected(
            f"the prompt {last.content[:60]!r} has no value for {', '.join(missing)}",
            hint="give it among the prompt's variables",
        )
    said = replace(last, content=fill_in(template, values))
    return replace(question, messages=(*question.messages[:-1], said))


# --- files -----------------------------------------------------------------------------------


def read_prompts(path: Path) -> list[Prompt]:
    """The prompts of a file: one a line, or in a .jsonl file one JSON object a line.

    An object has `prompt`, or `messages`, whose last answer is the reference unless there is a
    `reference`. Whatever else it has are values for templates.

    Raises:
        NotFound: there is no such file.
        DatasetRejected: it holds no prompt, or a line is no JSON object.
        RecipeInvalid: it is not UTF-8 text, or a line has no prompt.
    """
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    if not lines:
        raise DatasetRejected(f"{path} holds no prompt", hint="write one prompt a line")
    if path.suffix != ".jsonl":
        return [Prompt(prompt=line) for line in lines]
    return [
        _prompt_of(line, where=f"{path}, line {number}") for number, line in enumerate(lines, 1)
    ]


def _prompt_of(line: str, *, where: str) -> Prompt:
    try:
        row: Any = json.loads(line)
    except ValueError as error:
        raise DatasetRejected(f"{where}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DatasetRejected(f"{where}: expected {{'messages': [...]}} or {{'prompt': ...}}")
    return validate(Prompt, _arranged(cast("dict[str, Any]", row)), source=where)


def _arranged(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of a `Prompt` in a row of a file."""
    fields = {key: row[key] for key in ("prompt", "messages", "reference") if key in row}
    fields["variables"] = {
        key: str(value)
        for key, value in row.items()
        if key not in fields and isinstance(value, str | int | float)
    }
    messages = fields.get("messages")
    while messages and _is_answer(messages[-1]):
        fields.setdefault("reference", messages[-1].get("content"))
        messages = fields["messages"] = messages[:-1]
    return fields


def _is_answer(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "assistant"  # pyright: ignore
