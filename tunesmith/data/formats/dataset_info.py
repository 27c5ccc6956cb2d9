"""LLaMA-Factory's `dataset_info.json`, read as it is.

It names datasets and says how each is written: `formatting` (alpaca, sharegpt or openai), `ranking`
for preference pairs, `columns` and `tags`, the keys and roles of messages. An entry may ask for
what is not read here, such as images; it says so when it is used, and the others stay usable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel, ConfigDict, Field

from tunesmith.data.formats.fields import listed
from tunesmith.data.formats.table import rename
from tunesmith.data.sources import Row
from tunesmith.errors import DatasetRejected
from tunesmith.schema import choose, parse_yaml, read_text, validate

_COLUMN_FIELDS = {
    "alpaca": {
        "prompt": "instruction",
        "query": "input",
        "response": "output",
        "history": "history",
        "system": "system",
        "tools": "tools",
        "chosen": "chosen",
        "rejected": "rejected",
    },
    "sharegpt": {
        "messages": "conversations",
        "system": "system",
        "tools": "tools",
        "chosen": "chosen",
        "rejected": "rejected",
    },
    "openai": {"messages": "messages", "tools": "tools"},
}
_DEFAULT_COLUMNS = {
    "alpaca": {"prompt": "instruction", "query": "input", "response": "output"},
    "sharegpt": {"messages": "conversations"},
    "openai": {"messages": "messages"},
}
_TURN_COLUMNS = ("conversations", "chosen", "rejected")


class Tags(BaseModel):
    """The keys and roles of a ShareGPT message, by LLaMA-Factory's names and defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role_tag: str = "from"
    content_tag: str = "value"
    user_tag: str = "human"
    assistant_tag: str = "gpt"
    observation_tag: str = "observation"
    function_tag: str = "function_call"
    system_tag: str = "system"

    def standardize(self, turn: Any) -> Any:
        """`turn` with ShareGPT's own keys and roles; what is no such turn stays as it is."""
        if not isinstance(turn, dict) or self.role_tag not in turn:
            return cast(Any, turn)
        others = cast(Row, turn).copy()
        role, content = others.pop(self.role_tag), others.pop(self.content_tag, None)
        roles = {
            self.user_tag: "human",
            self.assistant_tag: "gpt",
            self.observation_tag: "observation",
            self.function_tag: "function_call",
            self.system_tag: "system",
        }
        return {
            **others,
            "from": roles.get(role, role) if isinstance(role, str) else role,
            "value": content,
        }


@dataclass(frozen=True)
class DatasetInfo:
    """One dataset of the file.

    Attributes:
        file: where its rows are, or None if it is on a hub.
        hub_id: its id on Hugging Face's hub, or empty.
        subset: of the hub's dataset, or empty.
        split: of the hub's dataset.
        format: a key of `FORMATS`.
        mapping: columns of the file by field of the format.
        tags: how its messages are written.
        refusal: why it cannot be imported, or empty.
    """

    file: Path | None
    hub_id: str
    subset: str
    split: str
    format: str
    mapping: Mapping[str, str]
    tags: Tags
    refusal: str = ""

    def standardize(self, row: Row) -> Row:
        """`row` with the columns and messages that the format reads."""
        row = rename(row, self.mapping)
        turns = {column: row[column] for column in _TURN_COLUMNS if column in row}
        return row | {column: _standard_turns(value, self.tags) for column, value in turns.items()}


def read_dataset_info(path: Path) -> Mapping[str, DatasetInfo]:
    """Every dataset that the file at `path` names, by its name.

    Raises:
        NotFound: there is no such file.
        RecipeInvalid: it is no `dataset_info.json`.
    """
    entries = validate(
        _File, {"datasets": parse_yaml(read_text(path), source=path.name)}, source=path.name
    )
    return {name: _info(entry, path.parent) for name, entry in entries.datasets.items()}


def choose_dataset(datasets: Mapping[str, DatasetInfo], name: str) -> DatasetInfo:
    """The dataset `name`, if it can be imported.

    Raises:
        NotFound: there is none of that name.
        DatasetRejected: it asks for what is not read here.
    """
    info: DatasetInfo = choose(datasets, name, what="dataset")  # pyright: ignore
    if info.refusal:
        raise DatasetRejected(f"dataset {name}: {info.refusal}")
    return info


class _Entry(BaseModel):
    """What LLaMA-Factory reads of an entry."""

    model_config = ConfigDict(extra="allow")

    file_name: str = ""
    hf_hub_url: str = ""
    script_url: str = ""
    formatting: str = "alpaca"
    ranking: bool = False
    subset: str = ""
    split: str = "train"
    folder: str = ""
    num_samples: int | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)


class _File(BaseModel):
    datasets: dict[str, _Entry]


def _info(entry: _Entry, folder: Path) -> DatasetInfo:
    columns = entry.columns or _DEFAULT_COLUMNS.get(entry.formatting, {})
    fields = _COLUMN_FIELDS.get(entry.formatting, {})
    mapping = {fields[key]: column for key, column in columns.items() if key in fields}
    is_passage = entry.formatting == "alpaca" and set(columns) == {"prompt"}
    if is_passage and not entry.ranking:  # LLaMA-Factory's pre-training has no answer
        mapping = {"text": columns["prompt"]}
    known_tags = {key: value for key, value in entry.tags.items() if key in Tags.model_fields}
    return DatasetInfo(
        file=folder / entry.file_name if entry.file_name and not entry.hf_hub_url else None,
        hub_id=entry.hf_hub_url,
        subset=entry.subset,
        split=entry.split,
        format="text" if "text" in mapping else _format(entry),
        mapping={field: column for field, column in mapping.items() if field != column},
        tags=Tags(**known_tags),
        refusal=_refusal(entry),
    )


def _format(entry: _Entry) -> str:
    if entry.ranking:
        return "preference"
    return "messages" if entry.formatting == "openai" else entry.formatting


def _refusal(entry: _Entry) -> str:
    if entry.formatting not in _COLUMN_FIELDS:
        return f"the formatting {entry.formatting!r} is none of {listed(_COLUMN_FIELDS)}"
    others = [key for key in entry.columns if key not in _COLUMN_FIELDS[entry.formatting]]
    if others:
        return f"the columns {listed(others)} are not read; only text is, no images or KTO labels"
    unknown = [key for key in entry.tags if key not in Tags.model_fields]
    if unknown:
        return f"the tags {listed(unknown)} are not read; there are {listed(Tags.model_fields)}"
    if entry.ranking and not {"chosen", "rejected"} <= entry.columns.keys():
        return "ranking needs the columns chosen and rejected"
    if entry.script_url:
        return (
            "a loading script would run foreign code, which is never done; give its data as a file"
        )
    if not entry.file_name and not entry.hf_hub_url:
        return "it has neither file_name nor hf_hub_url, and other places are not read"
    if Path(entry.file_name).is_absolute() or ".." in Path(entry.file_name).parts:
        return f"the file {entry.file_name} is outside the folder of dataset_info.json"
    if entry.num_samples is not None or entry.folder:
        return "num_samples and folder are not read; give the file and the number of rows to use"
    return ""


def _standard_turns(value: Any, tags: Tags) -> Any:
    if isinstance(value, list):
        return [tags.standardize(turn) for turn in cast(list[Any], value)]
    return tags.standardize(value)
