"""The training form: fields by group, its texts as a recipe's values, a recipe as its texts.

A field that is empty is left out of the recipe, so that the default holds, as in a recipe file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from tunesmith.console.language import mark
from tunesmith.errors import RecipeInvalid
from tunesmith.schema import by_dotted_path, parse_yaml
from tunesmith.service.recipe_fields import RecipeField, list_fields
from tunesmith.training.presets import PRESETS

# Groups of "more parameters" by how the paths of their fields begin, in this order.
GROUPS: Mapping[str, tuple[str, ...]] = {
    mark("Learning"): ("training.",),
    mark("Method"): ("method.",),
    mark("Data"): ("data.max_length", "data.system_prompt", "data.train_on", "data.max_damaged"),
    mark("General data against forgetting"): ("data.mix.",),
    mark("Validation"): ("data.validation.",),
    mark("Plain text"): ("data.passages.",),
    mark("Checkpoints"): ("checkpoint.",),
    mark("Answers while it learns"): ("samples.",),
    mark("Machine and chance"): ("precision", "seed", "trackers"),
}
# What the form asks for beside the fields: which of several kinds, with the word of the default.
KINDS: Mapping[str, tuple[str, ...]] = {
    "training.scheduler.kind": (
        "linear", "cosine", "cosine-restarts", "polynomial", "inverse-sqrt", "constant",
    ),
    "data.validation.kind": ("split", "fold", "dataset", "none"),
}  # fmt: skip
# Texts that are meant as they are; all else is written as in YAML, so 1e-4 and [q_proj] mean that.
_PLAIN = frozenset({"name", "model", "data.system_prompt", "data.passages.hard_cut"})
# Several texts, one a line; where a text has lines of its own, a YAML list.
_LINES = frozenset({"samples.prompts"})
_DATASETS = "data.train"


@dataclass(frozen=True)
class FormField:
    """A field with what stands in it; empty where the default holds."""

    path: str
    field: RecipeField
    text: str

    @property
    def is_long(self) -> bool:
        """Whether it takes several lines."""
        return self.is_list or self.path in ("data.system_prompt", "data.passages.hard_cut")

    @property
    def is_list(self) -> bool:
        """Whether it takes several texts, one a line."""
        return self.path in _LINES

    @property
    def stands_for(self) -> str:
        """What holds while the field is empty."""
        return text_of(self.field.stands_for)


@dataclass(frozen=True)
class KindField:
    """A choice that decides which fields there are."""

    path: str
    choices: Sequence[str]
    text: str


@dataclass(frozen=True)
class FormGroup:
    """Fields that belong together."""

    title: str
    kinds: list[KindField]
    fields: list[FormField]

    @property
    def asks_needs(self) -> bool:
        """Whether questions fill its fields."""
        return any(each.path == "checkpoint.keep" for each in self.fields)

    @property
    def num_changed(self) -> int:
        """Fields in which something stands."""
        texts = [each.text for each in self.fields]
        texts += [each.text if each.text != each.choices[0] else "" for each in self.kinds]
        return sum(text != "" for text in texts)


def groups(texts: Mapping[str, str]) -> list[FormGroup]:
    """The groups of the form for the chosen method, scheduler and validation."""
    fields = list(_fields(texts))
    return [
        FormGroup(
            title,
            [
                KindField(path, words, texts.get(path) or words[0])
                for path, words in KINDS.items()
                if path.startswith(beginnings)
            ],
            [each for each in fields if each.path.startswith(beginnings)],
        )
        for title, beginnings in GROUPS.items()
    ]


def _fields(texts: Mapping[str, str]) -> Iterator[FormField]:
    method = texts.get("method.kind") or "lora"
    for field in list_fields(method=method, model="smollm2-135m"):
        path, kind = _plain_path(field.path)
        chosen = texts.get(f"{path.rpartition('.')[0]}.kind")
        defaults = {"data.validation": "split", "training.scheduler": "linear", "method": method}
        if kind and kind != (chosen or defaults.get(path.rpartition(".")[0])):
            continue
        yield FormField(path, field, texts.get(path, ""))


def _plain_path(path: str) -> tuple[str, str]:
    """`data.validation{split}.percent` as the path in a recipe, and the kind that has it."""
    before, brace, rest = path.partition("{")
    if not brace:
        return path, ""
    kind, _, after = rest.partition("}")
    return before + after, kind


# --- texts of the form <-> values of a recipe ------------------------------------------------


def values_of(texts: Mapping[str, str], datasets: Sequence[str]) -> dict[str, Any]:
    """What a recipe file would say for the form's texts.

    Raises:
        RecipeInvalid: a text is no YAML; the message begins with its path.
    """
    values: dict[str, Any] = {"name": "", "model": ""}
    known = {each.path for group in groups(texts) for each in group.fields}
    for path, text in texts.items():
        if text.strip() and (path in known or path in KINDS or path in _SHORT):
            _put(values, path, _value(path, text))
    if datasets:
        _put(values, _DATASETS, [_dataset(each) for each in datasets])
    return values


def grid_of(texts: Mapping[str, str]) -> dict[str, list[Any]]:
    """The values to try by path, of fields in which several stand with | between them.

    Raises:
        RecipeInvalid: one of them is no YAML.
    """
    return {
        path: [_value(path, part) for part in text.split("|") if part.strip()]
        for path, text in texts.items()
        if "|" in text and path not in _PLAIN | _LINES
    }


_SHORT = ("name", "model", "method.kind")


def _value(path: str, text: str) -> Any:
    if path in _PLAIN:
        return text
    if path in _LINES and not text.lstrip().startswith("["):
        return _lines(text)
    return parse_yaml(text, source=path)


def _lines(text: str) -> list[str]:
    return [line for line in map(str.strip, text.splitlines()) if line]


def _dataset(text: str) -> Any:
    """`NAME x WEIGHT` as a weighted dataset."""
    name, times, weight = text.partition(" x ")
    return {"dataset": name, "weight": parse_yaml(weight, source=_DATASETS)} if times else name


def _put(values: dict[str, Any], path: str, value: Any) -> None:
    group = values
    *parents, last = path.split(".")
    for part in parents:
        group = cast("dict[str, Any]", group.setdefault(part, {}))
    group[last] = value


def texts_of(recipe: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """The form's texts for a recipe's values, defaults left empty, and its datasets."""
    flat = by_dotted_path(_grouped(recipe))
    entries: Any = flat.pop(_DATASETS, [])
    texts = {path: _text(path, value) for path, value in flat.items() if value is not None}
    for group in groups(texts):
        for each in group.fields:
            if texts.get(each.path) in (text_of(each.field.default), each.stands_for):
                del texts[each.path]
    return texts, [_dataset_text(each) for each in _listed(entries)]


def with_preset(texts: Mapping[str, str], name: str) -> dict[str, str]:
    """The texts with a preset's in their places; as they are where there is none of that name."""
    preset = PRESETS.get(name)
    return with_settings(texts, preset.settings if preset is not None else {})


def with_settings(texts: Mapping[str, str], settings: Mapping[str, Any]) -> dict[str, str]:
    """The texts with others for some settings, given by path."""
    return {**texts, **{path: text_of(value) for path, value in settings.items()}}


def _text(path: str, value: Any) -> str:
    """The inverse of `_value`."""
    if path not in _LINES or not isinstance(value, list):
        return text_of(value)
    text = "\n".join(map(str, cast("list[Any]", value)))
    is_read_back = _lines(text) == value and not text.startswith("[")
    return text if is_read_back else json.dumps(value, ensure_ascii=False)


def _grouped(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Short forms of a recipe file written out: a scheduler's word, a validation's name."""
    values: dict[str, Any] = dict(recipe)
    data, training = values.get("data"), values.get("training")
    if isinstance(training, dict) and isinstance(training.get("scheduler"), str):
        values["training"] = {**training, "scheduler": {"kind": training["scheduler"]}}
    if isinstance(data, dict) and isinstance(data.get("validation"), str):
        word = data["validation"]
        group = {"kind": "none"} if word == "none" else {"kind": "dataset", "dataset": word}
        values["data"] = {**data, "validation": group}
    return values


def _listed(entries: Any) -> list[Any]:
    return cast("list[Any]", entries) if isinstance(entries, list) else [entries]


def _dataset_text(entry: Any) -> str:
    if not isinstance(entry, dict):
        return str(entry)
    weighted = cast("dict[str, Any]", entry)
    weight = weighted.get("weight", 1.0)
    return weighted["dataset"] if weight == 1 else f"{weighted['dataset']} x {weight:g}"


def text_of(value: Any) -> str:
    """A value as a person writes it into a field."""
    if value is None or value == []:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return "[" + ", ".join(map(text_of, cast("list[Any]", value))) + "]"
    if isinstance(value, dict):
        inner = cast("dict[str, Any]", value).items()
        return "{" + ", ".join(f"{key}: {text_of(each)}" for key, each in inner) + "}"
    return str(value)


def read_recipe(text: str) -> dict[str, Any]:
    """The values of a recipe written as YAML.

    Raises:
        RecipeInvalid: it is no YAML, or no recipe.
    """
    values = parse_yaml(text, source="recipe")
    if not isinstance(values, dict):
        raise RecipeInvalid("a recipe is a group of settings", hint="paste a whole recipe")
    return cast("dict[str, Any]", values)
