"""Every field of a recipe, with the defaults and bands that hold for a method (F12).

Made from the settings themselves, so that command line, API and console say the same.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from tunesmith.errors import NotFound
from tunesmith.modeling.catalog import WRITERS
from tunesmith.modeling.config import (
    DEFAULT_LEARNING_RATES,
    LEARNING_RATE_BANDS,
    FullConfig,
    LoraConfig,
)
from tunesmith.schema import choose
from tunesmith.training.config import TrainConfig

Schema: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class RecipeField:
    """A field of a recipe.

    Attributes:
        path: its dotted place, such as training.epochs; `method{lora}.rank` where only that kind
            has it.
        meaning: in one line.
        unit: of its number, or empty.
        required: whether a recipe has to give it.
        default: what is written for it if a recipe does not.
        stands_for: what a default of auto comes to.
        band: outside of it a value is allowed and warned about.
        choices: the words that are allowed, where only some are.
        minimum: the smallest allowed number.
        maximum: the largest.
    """

    path: str
    meaning: str
    unit: str
    required: bool
    default: Any
    stands_for: Any
    band: tuple[float, float] | None
    choices: list[Any]
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class MethodView:
    """A method: what becomes trainable and how."""

    kind: str
    meaning: str
    learning_rate: float
    learning_rate_band: tuple[float, float]


METHODS: Mapping[str, type[LoraConfig | FullConfig]] = {"lora": LoraConfig, "full": FullConfig}


def list_methods() -> list[MethodView]:
    """Every method."""
    return [
        MethodView(
            kind, _first_line(config), DEFAULT_LEARNING_RATES[kind], LEARNING_RATE_BANDS[kind]
        )
        for kind, config in METHODS.items()
    ]


def _first_line(config: type) -> str:
    return (config.__doc__ or "").strip().splitlines()[0]


def list_fields(*, method: str, model: str) -> list[RecipeField]:
    """Every field of a recipe that trains `model` by `method`.

    Raises:
        NotFound: there is no such method or base model.
    """
    choose(METHODS, method, what="method")
    if model not in WRITERS:
        raise NotFound(
            f"unknown base model {model!r}", hint=f"there are: {', '.join(sorted(WRITERS))}"
        )
    values = {"name": "x", "model": model, "data": {"train": "x"}, "method": {"kind": method}}
    written = TrainConfig.model_validate(values, strict=False)
    schema = TrainConfig.model_json_schema()
    walk = _Walk(
        definitions=schema["$defs"],
        written=written.model_dump(mode="json"),
        resolved=written.resolved().model_dump(mode="json"),
        method=method,
    )
    return list(walk.fields(schema, ""))


@dataclass(frozen=True)
class _Walk:
    """Goes through a JSON schema, group by group."""

    definitions: Mapping[str, Any]
    written: dict[str, Any]
    resolved: dict[str, Any]
    method: str

    def fields(self, group: Schema, prefix: str) -> Iterator[RecipeField]:
        for name, field in group["properties"].items():
            path = f"{prefix}{name}"
            groups = list(self._groups(field))
            if not groups or ("description" in field and _is_word(field)):
                if name != "kind":
                    yield self._field(path, field, required=name in group.get("required", ()))
                continue
            for inner in groups:
                yield from self.fields(inner, _below(path, inner, len(groups) > 1))

    def _groups(self, field: Schema) -> Iterator[Schema]:
        """The groups of settings that a field may hold: of the method, the chosen one alone."""
        for branch in _branches(field):
            if "$ref" in branch:
                group = self.definitions[branch["$ref"].rpartition("/")[2]]
                if "properties" in group:
                    yield group
            elif "$ref" in branch.get("items", {}):
                yield self.definitions[branch["items"]["$ref"].rpartition("/")[2]]

    def _field(self, path: str, field: Schema, *, required: bool) -> RecipeField:
        facts = _merged(field)
        default = _value_at(self.written, path, facts.get("default"))
        stands_for = _value_at(self.resolved, path, default)
        band = facts.get("band")
        if path == "training.learning_rate":
            band = LEARNING_RATE_BANDS[self.method]
        return RecipeField(
            path=path,
            meaning=facts.get("description", ""),
            unit=facts.get("unit", ""),
            required=required,
            default=None if required else default,
            stands_for=None if required else stands_for,
            band=(band[0], band[1]) if band else None,
            choices=facts["choices"],
            minimum=facts.get("minimum", facts.get("exclusiveMinimum")),
            maximum=facts.get("maximum", facts.get("exclusiveMaximum")),
        )


def _branches(field: Schema) -> list[Schema]:
    return field.get("oneOf") or field.get("anyOf") or [field]


def _is_word(field: Schema) -> bool:
    return any("const" in branch or "enum" in branch for branch in _branches(field))


def _below(path: str, group: Schema, is_choice: bool) -> str:
    kind = group["properties"].get("kind", {})
    word = kind.get("const") or "|".join(kind.get("enum", []))
    return f"{path}{{{word}}}." if is_choice and word else f"{path}."


def _merged(field: Schema) -> dict[str, Any]:
    """What a field says of itself and what its branches say; the words it may be as `choices`."""
    merged: dict[str, Any] = {}
    choices: list[Any] = []
    for branch in _branches(field):
        merged |= branch
        choices += branch.get("enum", [])
        choices += [branch["const"]] if "const" in branch else []
    return {**merged, **field, "choices": choices}


def _value_at(values: dict[str, Any], path: str, otherwise: Any) -> Any:
    value: Any = values
    for part in path.split("."):
        if not isinstance(value, dict) or part not in value:
            return otherwise
        value = cast("dict[str, Any]", value)[part]
    return value
