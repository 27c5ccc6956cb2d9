import json
from pathlib import Path
from typing import Any

import pytest

from tunesmith.data.formats import FORMATS, DatasetInfo, choose_dataset, read_dataset_info
from tunesmith.errors import DatasetRejected, NotFound, RecipeInvalid
from tunesmith.text.conversation import Conversation, Example, Message, Passage, Preference

ASK, ANSWER, BAD = Message("user", "2+2?"), Message("assistant", "4"), Message("assistant", "5")
SYSTEM = Message("system", "Be exact.")
OPENAI_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}


def info_of(folder: Path, entry: dict[str, Any]) -> DatasetInfo:
    path = folder / "dataset_info.json"
    path.write_text(json.dumps({"mine": entry}))
    return choose_dataset(read_dataset_info(path), "mine")


def read(info: DatasetInfo, row: dict[str, Any]) -> Example:
    return FORMATS[info.format].read(info.standardize(row))


@pytest.mark.parametrize(
    ("entry", "row", "expected"),
    [
        (
            {"file_name": "a.json"},
            {"instruction": "2+2?", "input": "", "output": "4"},
            Conversation((ASK, ANSWER)),
        ),
        (
            {
                "file_name": "a.json",
                "columns": {"prompt": "q", "response": "a", "system": "s", "history": "h"},
            },
            {"q": "2+2?", "a": "4", "s": "Be exact.", "h": [["2+2?", "4"]]},
            Conversation((SYSTEM, ASK, ANSWER, ASK, ANSWER)),
        ),
        (
            {"file_name": "a.json", "columns": {"prompt": "content"}},
            {"content": "plain"},
            Passage("plain"),
        ),
        (
            {"file_name": "a.json", "formatting": "sharegpt"},
            {"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]},
            Conversation((ASK, ANSWER)),
        ),
        (
            {
                "file_name": "a.json",
                "formatting": "sharegpt",
                "columns": {"messages": "talk"},
                "tags": OPENAI_TAGS,
            },
            {
                "talk": [
                    {"role": "system", "content": "Be exact."},
                    {"role": "user", "content": "2+2?"},
                    {"role": "assistant", "content": "4"},
                ]
            },
            Conversation((SYSTEM, ASK, ANSWER)),
        ),
        (
            {"file_name": "a.json", "formatting": "openai", "columns": {"messages": "talk"}},
            {
                "talk": [
                    {"role": "user", "content": "2+2?"},
                    {"role": "assistant", "content": "4"},
                ]
            },
            Conversation((ASK, ANSWER)),
        ),
        (
            {
                "file_name": "a.json",
                "ranking": True,
                "columns": {"prompt": "instruction", "chosen": "good", "rejected": "bad"},
            },
            {"instruction": "2+2?", "good": "4", "bad": "5"},
            Preference((ASK,), (ANSWER,), (BAD,)),
        ),
        (
            {
                "file_name": "a.json",
                "ranking": True,
                "formatting": "sharegpt",
                "columns": {
                    "messages": "conversations",
                    "chosen": "chosen",
                    "rejected": "rejected",
                },
                "tags": {"role_tag": "who", "content_tag": "said", "assistant_tag": "bot"},
            },
            {
                "conversations": [{"who": "human", "said": "2+2?"}],
                "chosen": {"who": "bot", "said": "4"},
                "rejected": {"who": "bot", "said": "5"},
            },
            Preference((ASK,), (ANSWER,), (BAD,)),
        ),
    ],
)
def test_an_entry_leads_to_examples(
    tmp_path: Path, entry: dict[str, Any], row: dict[str, Any], expected: Example
) -> None:
    info = info_of(tmp_path, entry)
    assert info.file == tmp_path / "a.json"
    assert read(info, row) == expected


def test_tools_and_calls_under_other_names(tmp_path: Path) -> None:
    entry = {
        "file_name": "a.json",
        "formatting": "sharegpt",
        "columns": {"messages": "conversations", "tools": "functions"},
        "tags": {"function_tag": "call", "observation_tag": "result"},
    }
    turns = [
        {"from": "human", "value": "2+2?"},
        {"from": "call", "value": '{"name": "add", "arguments": {}}'},
        {"from": "result", "value": "4"},
        {"from": "gpt", "value": "4"},
    ]
    example = read(info_of(tmp_path, entry), {"conversations": turns, "functions": "[]"})
    assert isinstance(example, Conversation)
    assert [each.role for each in example.messages] == ["user", "assistant", "tool", "assistant"]
    assert example.messages[1].tool_calls


def test_a_dataset_on_a_hub_has_an_id(tmp_path: Path) -> None:
    entry = {"hf_hub_url": "team/data", "subset": "en", "split": "train_sft", "file_name": "a.json"}
    info = info_of(tmp_path, entry)
    assert (info.file, info.hub_id, info.subset) == (None, "team/data", "en")
    assert info.split == "train_sft"


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"columns": {"images": "images"}}, "dataset mine: the columns images are not read"),
        ({"columns": {"kto_tag": "label"}}, "the columns kto_tag are not read"),
        ({"formatting": "alpca"}, "formatting 'alpca' is none of alpaca, sharegpt, openai"),
        ({"script_url": "data/run"}, "a loading script would run foreign code"),
        ({"ms_hub_url": "team/data", "file_name": ""}, "neither file_name nor hf_hub_url"),
        ({"num_samples": 100}, "num_samples and folder are not read"),
        ({"file_name": "../a.json"}, "the file ../a.json is outside the folder"),
        ({"file_name": "/etc/passwd"}, "the file /etc/passwd is outside the folder"),
        ({"tags": {"system": "x"}}, "the tags system are not read"),
        ({"ranking": True}, "ranking needs the columns chosen and rejected"),
    ],
)
def test_what_is_not_read_here_is_said_when_it_is_used(
    tmp_path: Path, entry: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DatasetRejected, match=sentence):
        info_of(tmp_path, {"file_name": "a.json", **entry})


def test_the_other_datasets_of_a_file_stay_usable(tmp_path: Path) -> None:
    path = tmp_path / "dataset_info.json"
    entries = {"a": {"file_name": "a.json"}, "b": {"file_name": "b.json", "formatting": "x"}}
    path.write_text(json.dumps(entries))
    datasets = read_dataset_info(path)
    assert choose_dataset(datasets, "a").format == "alpaca"
    with pytest.raises(NotFound, match=r"unknown dataset 'c' \(.*there are: a, b\)"):
        choose_dataset(datasets, "c")


@pytest.mark.parametrize(
    "content", ["[1]", '{"a": 1}', '{"a": {"tags": {"role_tag": 3}}}', '{"a": {"columns": 3}}', "{"]
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "dataset_info.json"
    path.write_text(content)
    with pytest.raises(RecipeInvalid, match=r"dataset_info.json"):
        read_dataset_info(path)
