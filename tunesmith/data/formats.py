"""The shapes in which people keep training data, and how each becomes an example."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tunesmith.data.sources import Row
from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import Conversation, Example, Message, Passage, Role


class RowRejected(Exception):
    """One row is not an example.

    Attributes:
        field: path of the offending value, such as `messages[3].content`.
        reason: what is wrong with it, a predicate.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"`{field}` {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True)
class Format:
    """A shape of rows.

    Attributes:
        required: columns by which the format is recognised.
        optional: columns that are read where they are.
        read: turns a row into an example, or raises `RowRejected`.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    read: Callable[[Row], Example]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that are read."""
        return self.required + self.optional


@dataclass(frozen=True)
class Detection:
    """The format of a file, and by what it was recognised."""

    format: str
    evidence: str


def detect(rows: Sequence[Row]) -> Detection:
    """Recognise the format of the first rows of a file by their columns.

    Many datasets carry a rendered `text` beside their own columns, so `text` yields to any other
    format.

    Raises:
        DatasetRejected: no format fits, or several do.
    """
    counts = Counter(column for row in rows for column in row)
    fitting = [name for name, each in FORMATS.items() if all(counts[c] for c in each.required)]
    fitting = [name for name in fitting if name != "text"] or fitting
    if len(fitting) != 1:
        found = f"the columns {_listed(counts)}"
        problem = f"fit several formats: {_listed(fitting)}" if fitting else "fit no format"
        raise DatasetRejected(
            f"{found} {problem}", hint=f"give a format or a mapping; {_allowed()}"
        )
    required = FORMATS[fitting[0]].required
    complete = sum(all(column in row for column in required) for row in rows)
    return Detection(fitting[0], f"{_listed(required)} in {complete} of the first {len(rows)} rows")


def check_mapping(mapping: Mapping[str, str], *, columns: Iterable[str]) -> None:
    """Check that `mapping` leads from fields of a format to columns of the file.

    Raises:
        DatasetRejected: otherwise, naming what there is.
    """
    fields = sorted({field for each in FORMATS.values() for field in each.columns})
    columns = set(columns)
    for field, column in mapping.items():
        if field not in fields:
            raise DatasetRejected(
                f"no format has a field {field!r}", hint=f"there are: {_listed(fields)}"
            )
        if column not in columns:
            raise DatasetRejected(
                f"there is no column {column!r} for {field}", hint=f"there are: {_listed(columns)}"
            )


def rename(row: Row, mapping: Mapping[str, str]) -> Row:
    """Give the columns of `row` the names of the fields that `mapping` assigns them to."""
    if not mapping:
        return row
    taken = set(mapping.values()) | set(mapping)
    renamed = {column: value for column, value in row.items() if column not in taken}
    renamed.update((field, row[column]) for field, column in mapping.items() if column in row)
    return renamed


# --- reading ---------------------------------------------------------------------------------


def _read_alpaca(row: Row) -> Conversation:
    messages = _system(row)
    for index, turn in enumerate(_list(row.get("history"), "history", optional=True)):
        match turn:
            case [question, answer]:
                messages.append(Message("user", _text(question, f"history[{index}][0]")))
                messages.append(Message("assistant", _text(answer, f"history[{index}][1]")))
            case _:
                raise RowRejected(f"history[{index}]", "is not a pair of question and answer")
    # Some files keep the whole question in `input`, so either of the two may be empty.
    parts = [_optional_text(row.get(field), field) for field in ("instruction", "input")]
    question = _text("\n".join(filter(None, parts)), "instruction")
    messages.append(Message("user", question))
    messages.append(Message("assistant", _text(row.get("output"), "output")))
    return Conversation(tuple(messages))


def _read_prompt_completion(row: Row) -> Conversation:
    prompt = Message("user", _text(row.get("prompt"), "prompt"))
    completion = Message("assistant", _text(row.get("completion"), "completion"))
    return Conversation((*_system(row), prompt, completion))


def _read_passage(row: Row) -> Passage:
    return Passage(_text(row.get("text"), "text"))


def _read_messages(row: Row) -> Conversation:
    return Conversation(_turns(row, "messages", role_key="role", text_key="content", roles=_OPENAI))


def _read_sharegpt(row: Row) -> Conversation:
    turns = _turns(row, "conversations", role_key="from", text_key="value", roles=_SHAREGPT)
    return Conversation((*_system(row), *turns))


_OPENAI: Mapping[str, Role] = {
    "system": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_SHAREGPT: Mapping[str, Role] = {
    **_OPENAI,
    "human": "user",
    "gpt": "assistant",
    "observation": "tool",
}

FORMATS: Mapping[str, Format] = {
    "messages": Format(("messages",), (), _read_messages),
    "sharegpt": Format(("conversations",), ("system",), _read_sharegpt),
    "alpaca": Format(("instruction", "output"), ("input", "system", "history"), _read_alpaca),
    "prompt-completion": Format(("prompt", "completion"), ("system",), _read_prompt_completion),
    "text": Format(("text",), (), _read_passage),
}


def _turns(
    row: Row, field: str, *, role_key: str, text_key: str, roles: Mapping[str, Role]
) -> tuple[Message, ...]:
    """Messages in the order of the row, of which at least one must be an answer.

    What order of roles makes sense is left to the model's chat template.
    """
    messages: list[Message] = []
    for index, turn in enumerate(_list(row.get(field), field)):
        where = f"{field}[{index}]"
        if not isinstance(turn, dict):
            raise RowRejected(where, f"is {_kind(turn)}, an object is needed")
        turn = cast(Row, turn)
        _refuse_other_keys(turn, where, known={role_key, text_key})
        role = _text(turn.get(role_key), f"{where}.{role_key}")
        if role not in roles:
            raise RowRejected(f"{where}.{role_key}", f"is {role!r}, not one of {_listed(roles)}")
        read = _optional_text if roles[role] == "tool" else _text  # a tool may return nothing
        messages.append(Message(roles[role], read(turn.get(text_key), f"{where}.{text_key}")))
    if not any(message.role == "assistant" for message in messages):
        raise RowRejected(field, "has no assistant message, so there is nothing to learn")
    return tuple(messages)


def _refuse_other_keys(turn: Row, where: str, *, known: set[str]) -> None:
    """A call of a tool or a weight that is not read would change what the turn means."""
    for key, value in turn.items():
        if key not in known and value is not None:
            raise RowRejected(
                f"{where}.{key}", f"is not supported, only {_listed(sorted(known))} are"
            )


def _system(row: Row) -> list[Message]:
    text = _optional_text(row.get("system"), "system")
    return [Message("system", text)] if text else []


def _list(value: Any, field: str, *, optional: bool = False) -> list[Any]:
    if value is None and optional:
        return []
    if not isinstance(value, list):
        raise RowRejected(field, f"is {_kind(value)}, a list is needed")
    return cast(list[Any], value)


def _text(value: Any, field: str) -> str:
    if not isinstance(value, str):
        raise RowRejected(field, f"is {_kind(value)}, a text is needed")
    if not value.strip():
        raise RowRejected(field, "is blank")
    if not value.isascii():
        _refuse_surrogates(value, field)
    return value


def _optional_text(value: Any, field: str) -> str:
    """A text, or nothing where it is missing, null or blank."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    return _text(value, field)


def _refuse_surrogates(value: str, field: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise RowRejected(field, "has half of a surrogate pair, which is no character") from error


def _kind(value: Any) -> str:
    if value is None:
        return "missing or null"
    if isinstance(value, str):
        return "a text"
    if isinstance(value, bool | int | float):
        return f"{value}"
    return "a list" if isinstance(value, list) else "an object"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)


def _allowed() -> str:
    return "; ".join(f"{name}: {_listed(each.required)}" for name, each in FORMATS.items())
