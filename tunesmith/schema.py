"""Strict, frozen settings, and one clear sentence for whatever breaks them."""

import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from tunesmith.errors import NameInvalid, NotFound, RecipeInvalid


class Strict(BaseModel):
    """Settings that never change once loaded; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_enum_values=True)


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
    extra = {"unit": unit, "band": list(band) if band else None}
    return Field(default, description=meaning, json_schema_extra=extra, **checks)


def unusual_values(settings: BaseModel, *, prefix: str = "") -> Iterator[str]:
    """One sentence for every value outside its field's sensible band."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from unusual_values(value, prefix=f"{prefix}{name}.")
            continue
        extra = field.json_schema_extra
        band: Any = extra.get("band") if isinstance(extra, dict) else None
        if band and isinstance(value, int | float) and not band[0] <= value <= band[1]:
            yield f"{prefix}{name} = {value:g} is unusual; {band[0]:g} to {band[1]:g} is the sensible band"


# --- names -----------------------------------------------------------------------------------

_NAME = re.compile(r"[^\W_](?:[\w-]*)", re.UNICODE)
_RESERVED = {"con", "prn", "aux", "nul", "base", "latest", "none", "null", "all"}
MAX_NAME_CHARACTERS = 128


def check_name(name: str) -> str:
    """Return `name` if it obeys the name rules (F61).

    Letters, digits, '-' and '_', starting with a letter or digit, at most 128 characters. Letters of
    one script beside digits: mixed scripts make names that look equal and are not.

    Raises:
        NameInvalid: otherwise, naming the offence.
    """
    hint = "use letters, digits, '-' and '_', for example my-adapter-2"
    shown = repr(name) if len(name) <= 60 else repr(name[:57] + "...")
    if not name:
        raise NameInvalid("a name may not be empty", hint=hint)
    if len(name) > MAX_NAME_CHARACTERS:
        raise NameInvalid(
            f"the name {shown} has {len(name)} characters, 128 are allowed", hint=hint
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
        node = yaml.compose(text, Loader=_Loader)
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


S = TypeVar("S", bound=BaseModel)


def validate(kind: type[S], values: Any, *, source: str) -> S:
    """Load `values` into the settings `kind`.

    Raises:
        RecipeInvalid: with the first offending key, what is allowed, and the nearest valid key.
    """
    try:
        return kind.model_validate(values, strict=False)
    except ValidationError as error:
        raise _explain(error, kind, source=source) from None


def with_overrides(values: dict[str, Any], overrides: list[str]) -> dict[str, Any]:
    """Apply `--set a.b=1` style overrides to a copy of parsed YAML.

    Raises:
        RecipeInvalid: an override without '=', or a path through a value that is not a mapping.
    """
    result: dict[str, Any] = json.loads(json.dumps(values))
    for override in overrides:
        path, separator, text = override.partition("=")
        if not separator or not path.strip():
            raise RecipeInvalid(
                f"--set {override}: expected key=value", hint="for example training.epochs=2"
            )
        target: Any = result
        *parents, last = path.strip().split(".")
        for part in parents:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise RecipeInvalid(f"--set {override}: {part} is not a group of settings")
        target[last] = parse_yaml(text, source=f"--set {path}")
    return result


def _explain(error: ValidationError, kind: type[BaseModel], *, source: str) -> RecipeInvalid:
    # A misspelt key comes first: it is often the cause of the "field required" beside it.
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    problem = problems[0]
    location = [str(part) for part in problem["loc"]]
    allowed = _allowed_keys(kind, location[:-1])
    path = ".".join(part for part in location if not _is_tag(part, kind))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(location[-1], allowed, n=1, cutoff=0.5)
        guess = f"did you mean {near[0]!r}? " if near else ""
        return RecipeInvalid(
            f"{source}: unknown key {path!r}{more}",
            hint=f"{guess}valid keys here: {', '.join(allowed)}",
        )
    if problem["type"] == "missing":
        return RecipeInvalid(f"{source}: the key {path!r} is required{more}")
    message = re.sub(r"^(Value error|Assertion failed), ", "", problem["msg"])
    given = problem.get("input")
    shown = "" if isinstance(given, dict | list) else f", got {given!r}"
    message = message[0].lower() + message[1:]
    return RecipeInvalid(f"{source}: {path or 'the file'}: {message}{shown}{more}")


def _is_tag(part: str, kind: type[BaseModel]) -> bool:
    return part in {tag for _, model in _models_within(kind) for tag in [_tag_of(model)] if tag}


def _tag_of(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(field.default) if field is not None and isinstance(field.default, str) else ""


def _allowed_keys(kind: type[BaseModel], location: list[str]) -> list[str]:
    models: list[type[BaseModel]] = [kind]
    for part in location:
        if part.isdigit():
            continue
        step = [m for model in models for m in _field_models(model.model_fields.get(part))]
        tagged = [model for model in models if _tag_of(model) == part]
        models = step or tagged or models
    return sorted({name for model in models for name in model.model_fields})


def _field_models(field: FieldInfo | None) -> list[type[BaseModel]]:
    return _models_of(field.annotation) if field is not None else []


def _models_of(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is not None or isinstance(annotation, type(Union[int, str])):  # noqa: UP007
        return [model for argument in get_args(annotation) for model in _models_of(argument)]
    return []


def _models_within(kind: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in kind.model_fields.items():
        for model in _field_models(field):
            yield name, model
            yield from _models_within(model)


# --- identity --------------------------------------------------------------------------------


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text on every machine."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON of settings or plain values, in hexadecimal."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def choose(
    table: Mapping[str, S] | Mapping[str, Callable[..., Any]], key: str, *, what: str
) -> Any:
    """Look `key` up in a table of choices.

    Raises:
        NotFound: it is not there, naming the nearest and all that are.
    """
    if key in table:
        return table[key]
    near = difflib.get_close_matches(key, table, n=1, cutoff=0.4)
    guess = f"did you mean {near[0]!r}? " if near else ""
    raise NotFound(f"unknown {what} {key!r}", hint=f"{guess}there are: {', '.join(sorted(table))}")
