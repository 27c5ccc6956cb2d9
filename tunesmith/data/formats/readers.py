"""One row of each format as an example."""

from tunesmith.data.formats import fields
from tunesmith.data.formats.fields import RowRejected
from tunesmith.data.formats.tools import read_tools
from tunesmith.data.formats.turns import read_conversation, read_turns
from tunesmith.data.sources import Row
from tunesmith.text.conversation import Classified, Conversation, Message, Passage, Preference

_PROMPT_FIELDS = ("prompt", "conversations", "messages", "instruction", "question")


def read_messages(row: Row) -> Conversation:
    """OpenAI's `messages`."""
    return Conversation(read_conversation(row.get("messages"), "messages"), _tools(row))


def read_sharegpt(row: Row) -> Conversation:
    """ShareGPT's `conversations`, with an optional `system` prompt beside them."""
    turns = read_conversation(row.get("conversations"), "conversations")
    return Conversation((*_system(row), *turns), _tools(row))


def read_alpaca(row: Row) -> Conversation:
    """Stanford Alpaca's `instruction`, `input`, `output`, with LLaMA-Factory's `history`."""
    asked = (*_system(row), *_history(row), *_question(row, "instruction"))
    answer = Message("assistant", fields.text(row.get("output"), "output"))
    return Conversation((*asked, answer), _tools(row))


def read_prompt_completion(row: Row) -> Conversation:
    """OpenAI's older `prompt` and `completion`."""
    return _pair(row, "prompt", "completion")


def read_question_answer(row: Row) -> Conversation:
    """`question` and `answer`, as GSM8K has them."""
    return _pair(row, "question", "answer")


def read_passage(row: Row) -> Passage:
    """Plain `text`."""
    return Passage(fields.text(row.get("text"), "text"))


def read_classified(row: Row) -> Classified:
    """A `text` and its `label`, a word or a number."""
    label = row.get("label")
    if isinstance(label, bool | int):
        label = str(label).lower()
    return Classified(fields.text(row.get("text"), "text"), fields.text(label, "label"))


def read_preference(row: Row) -> Preference:
    """`chosen` and `rejected`, texts or messages, with their prompt.

    The prompt may be a text, messages, or what both lists of messages begin with.

    Raises:
        RowRejected: they are no pair.
    """
    chosen, rejected = _side(row, "chosen"), _side(row, "rejected")
    prompt = (*_system(row), *_history(row), *_prompt(row))
    num_shared = _num_shared(chosen, rejected)
    shared, chosen, rejected = chosen[:num_shared], chosen[num_shared:], rejected[num_shared:]
    if prompt and shared[: len(prompt)] != prompt and shared[-len(prompt) :] != prompt:
        shared = (*prompt, *shared)
    prompt = shared or prompt
    if not prompt:
        raise RowRejected("prompt", "is missing or null, and both sides begin differently")
    if chosen == rejected:
        raise RowRejected("rejected", "is the same as `chosen`")
    for side, field in ((chosen, "chosen"), (rejected, "rejected")):
        if not any(message.role == "assistant" for message in side):
            raise RowRejected(field, "has no assistant message behind the prompt")
    return Preference(prompt, chosen, rejected, _tools(row))


def _pair(row: Row, question: str, answer: str) -> Conversation:
    asked = Message("user", fields.text(row.get(question), question))
    answered = Message("assistant", fields.text(row.get(answer), answer))
    return Conversation((*_system(row), asked, answered), _tools(row))


def _side(row: Row, field: str) -> tuple[Message, ...]:
    value = row.get(field)
    if isinstance(value, dict):  # LLaMA-Factory has one turn
        return read_turns([value], field)
    if isinstance(value, list):
        return read_turns(value, field)
    return (Message("assistant", fields.text(value, field)),)


def _prompt(row: Row) -> tuple[Message, ...]:
    """The first of the fields in which a prompt may be."""
    for field in _PROMPT_FIELDS:
        value = row.get(field)
        if value is None:
            continue
        return read_turns(value, field) if isinstance(value, list) else _question(row, field)
    return ()


def _question(row: Row, field: str) -> tuple[Message, ...]:
    # Some files keep the whole question in `input`, so either of the two may be empty.
    parts = [fields.optional_text(row.get(each), each) for each in (field, "input")]
    return (Message("user", fields.text("\n".join(filter(None, parts)), field)),)


def _num_shared(chosen: tuple[Message, ...], rejected: tuple[Message, ...]) -> int:
    pairs = zip(chosen, rejected, strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), 0)


def _history(row: Row) -> list[Message]:
    messages: list[Message] = []
    for index, turn in enumerate(fields.items(row.get("history") or [], "history")):
        match turn:
            case [question, answer]:
                asked = fields.text(question, f"history[{index}][0]")
                answered = fields.text(answer, f"history[{index}][1]")
                messages += [Message("user", asked), Message("assistant", answered)]
            case _:
                raise RowRejected(f"history[{index}]", "is not a pair of question and answer")
    return messages


def _system(row: Row) -> list[Message]:
    text = fields.optional_text(row.get("system"), "system")
    return [Message("system", text)] if text else []


def _tools(row: Row) -> str:
    return read_tools(row.get("tools"), "tools")
