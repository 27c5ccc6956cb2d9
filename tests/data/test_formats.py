from typing import Any

import pytest

from tunesmith.data.formats import FORMATS, RowRejected, check_mapping, detect, rename
from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import Conversation, Example, Message, Passage

ASK, ANSWER = Message("user", "2+2?"), Message("assistant", "4")
SYSTEM = Message("system", "Be exact.")
ASK_ROW = {"role": "user", "content": "2+2?"}
ANSWER_ROW = {"role": "assistant", "content": "4"}


def read(format: str, row: dict[str, Any]) -> Example:
    return FORMATS[format].read(row)


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("alpaca", {"instruction": "2+2?", "output": "4"}),
        ("alpaca", {"instruction": "2+2?", "input": "", "output": "4", "system": None}),
        ("alpaca", {"instruction": "", "input": "2+2?", "output": "4"}),
        ("prompt-completion", {"prompt": "2+2?", "completion": "4"}),
        ("messages", {"messages": [ASK_ROW, ANSWER_ROW | {"name": None}]}),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]},
        ),
    ],
)
def test_every_format_gives_the_same_conversation(format: str, row: dict[str, Any]) -> None:
    assert read(format, row) == Conversation((ASK, ANSWER))


def test_system_prompts_inputs_and_history() -> None:
    row = {
        "instruction": "Add.",
        "input": "2+2?",
        "output": "4",
        "system": "Be exact.",
        "history": [["2+2?", "4"]],
    }
    expected = (SYSTEM, ASK, ANSWER, Message("user", "Add.\n2+2?"), ANSWER)
    assert read("alpaca", row) == Conversation(expected)
    with_system = {"prompt": "2+2?", "completion": "4", "system": "Be exact."}
    assert read("prompt-completion", with_system) == Conversation((SYSTEM, ASK, ANSWER))


def test_a_tool_may_return_nothing_and_a_user_may_have_the_last_word() -> None:
    turns = [ASK_ROW, {"role": "tool", "content": ""}, ANSWER_ROW, ASK_ROW]
    expected = (ASK, Message("tool", ""), ANSWER, ASK)
    assert read("messages", {"messages": turns}) == Conversation(expected)


def test_text_is_kept_as_it_is() -> None:
    assert read("text", {"text": " a\n"}) == Passage(" a\n")


@pytest.mark.parametrize(
    ("format", "row", "sentence"),
    [
        ("alpaca", {"instruction": "a"}, "`output` is missing or null, a text is needed"),
        ("alpaca", {"instruction": "a", "output": None}, "`output` is missing or null"),
        ("alpaca", {"instruction": "a", "output": 4}, "`output` is 4, a text is needed"),
        ("alpaca", {"instruction": "a", "output": " \n"}, "`output` is blank"),
        ("alpaca", {"instruction": " ", "output": "a"}, "`instruction` is blank"),
        ("alpaca", {"instruction": ["a"], "output": "a"}, "`instruction` is a list"),
        ("alpaca", {"instruction": "a", "output": "\ud800"}, "`output` has half of a surrogate"),
        (
            "alpaca",
            {"instruction": "a", "output": "b", "history": [["c"]]},
            "`history[0]` is not a pair of question and answer",
        ),
        ("prompt-completion", {"prompt": "a", "completion": ""}, "`completion` is blank"),
        ("prompt-completion", {"completion": "a"}, "`prompt` is missing or null"),
        ("text", {"text": "\t"}, "`text` is blank"),
        ("messages", {"messages": "a"}, "`messages` is a text, a list is needed"),
        ("messages", {"messages": []}, "`messages` has no assistant message"),
        ("messages", {"messages": [ASK_ROW]}, "`messages` has no assistant message"),
        ("messages", {"messages": [5]}, "`messages[0]` is 5, an object is needed"),
        (
            "messages",
            {"messages": [ASK_ROW, {"role": "assistant", "content": ""}]},
            "`messages[1].content` is blank",
        ),
        (
            "messages",
            {"messages": [{"role": "bot", "content": "a"}]},
            "`messages[0].role` is 'bot', not one of system, user, assistant, tool",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, ANSWER_ROW | {"tool_calls": []}]},
            "`messages[1].tool_calls` is not supported, only content, role are",
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "gpt", "value": None}]},
            "`conversations[0].value` is missing or null",
        ),
    ],
)
def test_a_row_that_is_no_example_names_its_field(
    format: str, row: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RowRejected) as caught:
        read(format, row)
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    ("columns", "format"),
    [
        (("instruction", "input", "output"), "alpaca"),
        (("instruction", "output", "text"), "alpaca"),
        (("messages", "id"), "messages"),
        (("conversations",), "sharegpt"),
        (("prompt", "completion"), "prompt-completion"),
        (("text",), "text"),
    ],
)
def test_formats_are_recognised_by_their_columns(columns: tuple[str, ...], format: str) -> None:
    assert detect([dict.fromkeys(columns, "x")]).format == format


def test_the_evidence_counts_the_rows_that_have_the_columns() -> None:
    rows = [{"prompt": "a", "completion": "b"}, {"prompt": "a"}]
    assert detect(rows).evidence == "prompt, completion in 1 of the first 2 rows"


def test_unknown_and_ambiguous_columns_are_refused() -> None:
    with pytest.raises(DatasetRejected, match=r"columns a, b fit no format \(give a format"):
        detect([{"a": 1, "b": 2}])
    both = {"prompt": "a", "completion": "b", "messages": []}
    with pytest.raises(DatasetRejected, match="several formats: messages, prompt-completion"):
        detect([both])


def test_a_mapping_renames_columns_and_overrules_equal_names() -> None:
    row = {"question": "a", "answer": "b", "prompt": "c", "id": 1}
    mapped = rename(row, {"prompt": "question", "completion": "answer"})
    assert mapped == {"prompt": "a", "completion": "b", "id": 1}


def test_a_mapping_must_lead_from_fields_to_columns() -> None:
    with pytest.raises(DatasetRejected, match="no format has a field 'promt'"):
        check_mapping({"promt": "a"}, columns=["a"])
    with pytest.raises(DatasetRejected, match="no column 'b' for prompt"):
        check_mapping({"prompt": "b"}, columns=["a"])
