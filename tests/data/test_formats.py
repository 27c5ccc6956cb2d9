import json
import re
from typing import Any

import pytest

from tests.text.tiny import tiny_codec
from tunesmith.data.formats import FORMATS, RowRejected, check_mapping, detect, rename
from tunesmith.errors import DatasetRejected
from tunesmith.text.conversation import (
    Classified,
    Conversation,
    Example,
    Message,
    Passage,
    Preference,
)

ASK, ANSWER = Message("user", "2+2?"), Message("assistant", "4")
SYSTEM = Message("system", "Be exact.")
ASK_ROW = {"role": "user", "content": "2+2?"}
ANSWER_ROW = {"role": "assistant", "content": "4"}
CALL_ROW = {"id": "1", "type": "function", "function": {"name": "add", "arguments": {"b": 2}}}
CALL = '[{"id":"1","type":"function","function":{"name":"add","arguments":{"b":2}}}]'
TOOL_ROW = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
TOOLS = '[{"type":"function","function":{"name":"add","parameters":{"type":"object"}}}]'


def called(arguments: str) -> dict[str, Any]:
    call = {"function": {"name": "add", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def read(format: str, row: dict[str, Any]) -> Example:
    return FORMATS[format].read(row)


@pytest.mark.parametrize(
    ("format", "row"),
    [
        ("alpaca", {"instruction": "2+2?", "output": "4"}),
        ("alpaca", {"instruction": "2+2?", "input": "", "output": "4", "system": None}),
        ("alpaca", {"instruction": "", "input": "2+2?", "output": "4"}),
        ("prompt-completion", {"prompt": "2+2?", "completion": "4"}),
        ("question-answer", {"question": "2+2?", "answer": "4"}),
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


def test_calls_and_tools_become_one_json_text() -> None:
    result_row = {"role": "tool", "tool_call_id": "1", "name": "add", "content": "4"}
    as_text = CALL_ROW | {"function": {"name": "add", "arguments": '{"b": 2}'}}
    for call, tools in [(CALL_ROW, [TOOL_ROW]), (as_text, json.dumps([TOOL_ROW["function"]]))]:
        turns = [ASK_ROW, {"role": "assistant", "tool_calls": [call]}, result_row, ANSWER_ROW]
        assert read("messages", {"messages": turns, "tools": tools}) == Conversation(
            (
                ASK,
                Message("assistant", "", tool_calls=CALL),
                Message("tool", "4", tool_call_id="1", name="add"),
                ANSWER,
            ),
            TOOLS,
        )


def test_sharegpt_calls_are_messages_of_the_assistant() -> None:
    turns = [
        {"from": "human", "value": "2+2?"},
        {"from": "function_call", "value": '{"name": "add", "arguments": {"b": 2}}'},
        {"from": "observation", "value": "4"},
        {"from": "gpt", "value": "4"},
    ]
    call = CALL.replace('"id":"1",', "")
    expected = (ASK, Message("assistant", "", tool_calls=call), Message("tool", "4"), ANSWER)
    row = {"conversations": turns, "tools": json.dumps([TOOL_ROW["function"]])}
    assert read("sharegpt", row) == Conversation(expected, TOOLS)


BAD_ROW = {"role": "assistant", "content": "5"}
BAD = Message("assistant", "5")


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "2+2?", "chosen": "4", "rejected": "5"},
        {"instruction": "2+2?", "input": "", "chosen": "4", "rejected": "5"},
        {"question": "2+2?", "chosen": "4", "rejected": "5"},
        {"prompt": [ASK_ROW], "chosen": [ANSWER_ROW], "rejected": [BAD_ROW]},
        {"chosen": [ASK_ROW, ANSWER_ROW], "rejected": [ASK_ROW, BAD_ROW]},
        {
            "prompt": "2+2?",
            "messages": [ASK_ROW, ANSWER_ROW],
            "chosen": [ASK_ROW, ANSWER_ROW],
            "rejected": [ASK_ROW, BAD_ROW],
        },
        {
            "conversations": [{"from": "human", "value": "2+2?"}],
            "chosen": {"from": "gpt", "value": "4"},
            "rejected": {"from": "gpt", "value": "5"},
        },
    ],
)
def test_every_way_to_write_a_preference_gives_the_same_pair(row: dict[str, Any]) -> None:
    assert read("preference", row) == Preference((ASK,), (ANSWER,), (BAD,))


def test_a_preference_has_a_system_message_and_a_history() -> None:
    row = {
        "system": "Be exact.",
        "history": [["2+2?", "4"]],
        "prompt": "2+2?",
        "chosen": "4",
        "rejected": "5",
        "tools": [TOOL_ROW],
    }
    prompt = (SYSTEM, ASK, ANSWER, ASK)
    assert read("preference", row) == Preference(prompt, (ANSWER,), (BAD,), TOOLS)


@pytest.mark.parametrize(
    ("label", "expected"), [("spam", "spam"), (1, "1"), (0, "0"), (True, "true")]
)
def test_a_label_is_a_text_or_a_number(label: Any, expected: str) -> None:
    assert read("classification", {"text": "a", "label": label}) == Classified("a", expected)


def test_the_codec_names_the_formats_that_sft_trains_on() -> None:
    pair = Preference((ASK,), (ANSWER,), (BAD,))
    for example, kind in [(pair, "a preference pair"), (Classified("a", "b"), "a classified text")]:
        with pytest.raises(
            DatasetRejected, match=f"{kind} is nothing that sft trains on"
        ) as caught:
            tiny_codec().encode(example)
        named = set(re.findall(r"[a-z-]+", caught.value.message))
        assert named >= set(FORMATS) - {"preference", "classification"}


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
            {"messages": [ASK_ROW, ANSWER_ROW | {"weight": 0}]},
            "`messages[1].weight` is not supported, only content, name, role, tool_call_id",
        ),
        (
            "messages",
            {"messages": [ASK_ROW | {"tool_calls": [CALL_ROW]}, ANSWER_ROW]},
            "`messages[0].tool_calls` is in a message of user, not of assistant",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, {"role": "assistant", "tool_calls": [{"id": "a"}]}]},
            "`messages[1].tool_calls[0].function` is missing or null, an object is needed",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, called("[1]")]},
            "`messages[1].tool_calls[0].function.arguments` is a list, an object is needed",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, called("{")]},
            "`messages[1].tool_calls[0].function.arguments` is a text that is not valid JSON",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, called('{"a": 1e999}')]},
            "`messages[1].tool_calls` cannot be written as JSON",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, called('{"a": "\\ud800"}')]},
            "`messages[1].tool_calls` has half of a surrogate pair",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, ANSWER_ROW], "tools": [{"function": {}}]},
            "`tools[0].function.name` is missing or null, a text is needed",
        ),
        (
            "messages",
            {"messages": [ASK_ROW, ANSWER_ROW], "tools": "none"},
            "`tools` is a text that is not valid JSON",
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "function_call", "value": "add(2, 2)"}]},
            "`conversations[0].value` is a text that is not valid JSON",
        ),
        ("question-answer", {"question": "a"}, "`answer` is missing or null"),
        ("classification", {"text": "a", "label": None}, "`label` is missing or null"),
        ("classification", {"text": "a", "label": ["b"]}, "`label` is a list, a text is needed"),
        ("preference", {"chosen": "a", "rejected": "b"}, "`prompt` is missing or null, and both"),
        (
            "preference",
            {"prompt": "a", "chosen": "b", "rejected": "b"},
            "`rejected` is the same as `chosen`",
        ),
        (
            "preference",
            {"prompt": "a", "chosen": [ASK_ROW], "rejected": "b"},
            "`chosen` has no assistant message behind the prompt",
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
        (("question", "answer"), "question-answer"),
        (("text", "label"), "classification"),
        (("prompt", "chosen", "rejected"), "preference"),
        (("prompt", "prompt_id", "messages", "chosen", "rejected"), "preference"),
        (("conversations", "chosen", "rejected"), "preference"),
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
    with pytest.raises(DatasetRejected) as caught:
        detect([{"question": 1, "id": 2}])
    assert "mapping; question-answer: question, answer (missing); " in str(caught.value)
    assert "text: text (missing)" in str(caught.value)
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
