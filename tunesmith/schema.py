"""Strict, frozen settings, and one clear sentence for whatever breaks them."""

# PyYAML's stubs leave the types of loaders and nodes open.
# pyright: reportUnknownMemberType=false

import dataclasses
import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

from tunesmith.errors import NameInvalid, NotFound, RecipeInvalid
from tunesmith.explain import explain


class Strict(BaseModel):
    """Settings that never change once loaded; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def setting(
    default: Any,
    meaning: str,
    *,
    unit: str = "",
    band: tuple[float, float] | None = None,
    **checks: Any,
) -> Any:
    """A documented field: its one-line meaning, unit, default and sensible band, written once.

    CLI help, the docs' parameter tables, the API schema and the console's form are made from it.
    `default` may be `...` for a required field. Values outside `band` are allowed but warned about;
    `checks` (`gt`, `le`, ...) are refused.
    """
    extra: JsonDict = {"unit": unit, "band": list(band) if band else None}
    return Field(default, description=meaning, json_schema_extra=extra, **checks)


def unusual_values(settings: BaseModel, *, prefix: str = "") -> Iterator[str]:
    """One sentence for every value outside its field's sensible band."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from unusual_values(value, prefix=f"{prefix}{name}.")
            continue
        band = _band_of(field)
        if band is None or not isinstance(value, int | float):
            continue
        low, high = band
        if not low <= value <= high:
            yield f"{prefix}{name} = {value:g} is unusual; {low:g} to {high:g} is the sensible band"


def _band_of(field: FieldInfo) -> list[float] | None:
    """What `setting` noted with the field, None for a field made otherwise."""
    extra = cast("JsonDict | None", field.json_schema_extra)
    return cast("list[float] | None", extra.get("band")) if extra else None


# --- names -----------------------------------------------------------------------------------

_NAME = re.compile(r"[^\W_][\w-]*")
_RESERVED = {"con", "prn", "aux", "nul", "base", "latest", "none", "null", "all"}
MAX_NAME_CHARACTERS = 128


def check_name(name: str) -> str:
    """Return `name` if it obeys the name rules (F61).

    Letters, digits, '-' and '_', starting with a letter or digit, at most 128 characters. Latin,
    Cyrillic and Greek letters do not mix: such names look equal and are not.

    Raises:
        NameInvalid: otherwise, naming the offence.
    """
    hint = "use letters, digits, '-' and '_', for example my-adapter-2"
    shown = repr(name) if len(name) <= 60 else repr(name[:57] + "...")
    if not name:
        raise NameInvalid("a name may not be empty", hint=hint)
    if len(name) > MAX_NAME_CHARACTERS:
        raise NameInvalid(
            f"the name {shown} has {len(name)} characters, {MAX_NAME_CHARACTERS} are allowed",
            hint=hint,
        )
    if unicodedata.normalize("NFKC", name) != name:
        raise NameInvalid(f"the name {shown} has look-alike characters", hint=hint)
    for character in name:
        if not (character.isalnum() or character in "-_"):
            raise NameInvalid(f"the name {shown} may not contain {character!r}", hint=hint)
    if not _NAME.fullmatch(name):
        raise NameInvalid(f"the name {shown} must start with a letter or digit", hint=hint)
    if name.lower() in _RESERVED:
        raise NameInvalid(f"the name {shown} is reserved", hint=hint)
    scripts = {_script(character) for character in name if character.isalpha()}
    if len(scripts & {"LATIN", "CYRILLIC", "GREEK"}) > 1:
        raise NameInvalid(f"the name {shown} mixes scripts that look alike", hint=hint)
    return name


def _script(character: str) -> str:
    return unicodedata.name(character, "UNKNOWN").split()[0]


def _check_name_field(name: str) -> str:
    try:
        return check_name(name)
    except NameInvalid as error:
        raise ValueError(error.message) from error


Name = Annotated[str, AfterValidator(_check_name_field)]
LongText = Annotated[str, StringConstraints(max_length=100_000)]


# --- YAML in, settings out -------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `1e-4` as a string; a learning rate written so must be a number (F57)."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:float"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"[-+]?(\d[\d_]*\.?[\d_]*([eE][-+]?\d+)|\d[\d_]*\.[\d_]*|\.\d+([eE][-+]?\d+)?|\.(inf|nan))$"
    ),
    list("-+0123456789."),
)


def parse_yaml(text: str, *, source: str) -> Any:
    """Parse YAML (or JSON, which YAML contains).

    Raises:
        RecipeInvalid: not YAML, or a mapping names a key twice.
    """
    try:
        node = cast("yaml.Node | None", yaml.compose(text, Loader=_Loader))
        if node is not None:
            _refuse_duplicate_keys(node, source=source)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecipeInvalid(f"{source}{where}: not valid YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeInvalid(f"{source}: not valid YAML: {reason}") from error


def _refuse_duplicate_keys(node: yaml.Node, *, source: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise RecipeInvalid(f"{source}, line {line}: the key {key.value!r} is given twice")
            seen.add(key.value)
            _refuse_duplicate_keys(value, source=source)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(item, source=source)


def read_text(path: Path) -> str:
    """Read a small UTF-8 text file.

    Raises:
        NotFound: there is no such file.
        RecipeInvalid: it is not UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", hint="check the path") from None
    except IsADirectoryError:
        raise NotFound(f"{path} is a folder, a file is needed") from None
    except UnicodeDecodeError as error:
        raise RecipeInvalid(f"{path}: not UTF-8 text (byte {error.start})") from error


Settings = TypeVar("Settings", bound=BaseModel)


def validate(kind: type[Settings], values: Any, *, source: str) -> Settings:
    """Load `values` into the settings `kind`.

    Raises:
        RecipeInvalid: with the first offending key, what is allowed, and the nearest valid key.
    """
    try:
        return kind.model_validate(values, strict=False)
    except ValidationError as error:
        message, hint = explain(error, kind)
        raise RecipeInvalid(f"{source}: {message}", hint=hint) from None


def with_overrides(values: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Apply `--set a.b=1` style overrides to a copy of parsed YAML.

    Raises:
        RecipeInvalid: an override without '=', a value that is not YAML, or a path through a value
            that is not a mapping.
    """
    result: dict[str, Any] = json.loads(json.dumps(values))
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not path.strip():
            raise RecipeInvalid(
                f"--set {override}: expected key=value", hint="for example training.epochs=2"
            )
        group = result
        *parents, last = path.strip().split(".")
        for part in parents:
            group = _subgroup(group, part, override=override)
        group[last] = parse_yaml(text, source=f"--set {path}")
    return result


def by_dotted_path(values: Mapping[str, Any], *, prefix: str = "") -> dict[str, Any]:
    """Nested settings as one level, by names such as `training.epochs`."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= by_dotted_path(cast("dict[str, Any]", value), prefix=f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _subgroup(group: dict[str, Any], name: str, *, override: str) -> dict[str, Any]:
    subgroup = group.setdefault(name, {})
    if not isinstance(subgroup, dict):
        raise RecipeInvalid(f"--set {override}: {name} is not a group of settings")
    return cast("dict[str, Any]", subgroup)


# --- values as JSON --------------------------------------------------------------------------


def as_json(value: Any) -> Any:
    """Dataclasses, settings and lists of them as what JSON can hold."""
    return json.loads(json.dumps(value, default=_plain))


def _plain(value: Any) -> Any:
    """What `json.dumps` cannot write, as what it can."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return str(value)


# --- identity --------------------------------------------------------------------------------


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text on every machine.

    Raises:
        ValueError: a number is infinite or nan.
    """
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return _CANONICAL.encode(value)


# Built once: it is used for every row of a dataset.
_CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of settings or plain values, in hexadecimal.

    Raises:
        ValueError: a number is infinite or nan.
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


Choice = TypeVar("Choice")


def choose(table: Mapping[str, Choice], key: str, *, what: str) -> Choice:
    """Look `key` up in a table of choices.

    Raises:
        NotFound: it is not there, naming the nearest and all that are.
    """
    if key in table:
        return table[key]
    near = difflib.get_close_matches(key, table, n=1, cutoff=0.4)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise NotFound(f"unknown {what} {key!r}", hint=f"{guess}there are: {', '.join(sorted(table))}")
