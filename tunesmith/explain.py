"""What pydantic found wrong, as one sentence and a hint in the words of the person's own file."""

import difflib
import re
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

Models = list[type[BaseModel]]


def explain(error: ValidationError, kind: type[BaseModel]) -> tuple[str, str]:
    """The message and the hint for values that are not a `kind`: what to mend first."""
    problems = _by_path(error, kind)
    # A misspelt key comes first: it is often the cause of the "field required" beside it.
    path = min(problems, key=lambda path: problems[path]["type"] != "extra_forbidden")
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return _explain_one(path, problems[path], kind, more=more)


def explain_each(error: ValidationError, kind: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """The message and the hint of every problem, by the dotted path of its setting."""
    return {
        path: _explain_one(path, problem, kind) for path, problem in _by_path(error, kind).items()
    }


def _by_path(error: ValidationError, kind: type[BaseModel]) -> dict[str, ErrorDetails]:
    # A value that fits no branch of a union gives a problem for each branch: the first says enough.
    problems: dict[str, ErrorDetails] = {}
    for problem in error.errors():
        problems.setdefault(_path(problem, kind)[0], problem)
    return problems


def _explain_one(
    path: str, problem: ErrorDetails, kind: type[BaseModel], *, more: str = ""
) -> tuple[str, str]:
    if problem["type"] == "extra_forbidden":
        allowed = _keys(_path(problem, kind)[1])
        guess = _nearest(str(problem["loc"][-1]), allowed)
        return f"unknown key {path!r}{more}", f"{guess}valid keys here: {', '.join(allowed)}"
    if problem["type"] == "missing":
        return f"the key {path!r} is required{more}", ""
    message, hint = _sentence(problem)
    return f"{path or 'the file'} {message}{more}", hint


def _sentence(problem: ErrorDetails) -> tuple[str, str]:
    context: dict[str, Any] = problem.get("ctx", {})
    given = problem.get("input")
    if problem["type"] in ("union_tag_invalid", "literal_error"):
        word = str(context.get("tag", given))
        allowed = re.findall(r"'([^']*)'", context.get("expected_tags") or context["expected"])
        return f"must be one of {', '.join(allowed)}, got {word!r}", _nearest(word, allowed).strip()
    if problem["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return f"must be a group of settings, got {given!r}", ""
    if problem["type"] == "value_error":  # a check of ours: a whole sentence that names the value
        return f"is refused: {context['error']}", ""
    message = problem["msg"].replace("Input should be", "must be")
    message = message[0].lower() + message[1:].split(", unable to", maxsplit=1)[0]
    return (message if isinstance(given, dict | list) else f"{message}, got {given!r}"), ""


def _nearest(word: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}? " if near else ""


def _path(problem: ErrorDetails, kind: type[BaseModel]) -> tuple[str, Models]:
    """The dotted path of a problem, and the settings its last part belongs to.

    pydantic's location also names the branches of unions; those are in no file and left out.
    """
    models: Models = [kind]
    owners = models
    path = ""
    for place, part in enumerate(problem["loc"]):
        last = place == len(problem["loc"]) - 1
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in _keys(models) or (last and problem["type"] == "extra_forbidden"):
            path += f".{part}" if path else part
            owners = models
            models = [inner for model in models for inner in _settings_in(model, part)] or models
        else:
            models = [model for model in models if _is_branch(model, part)] or models
    return path, owners


def _keys(models: Models) -> list[str]:
    return sorted({name for model in models for name in model.model_fields})


def _is_branch(model: type[BaseModel], word: str) -> bool:
    """Whether `word` names the branch of a union that `model` is, by its `kind` or its own name."""
    field = model.model_fields.get("kind")
    return word == model.__name__ or (field is not None and word in get_args(field.annotation))


def _settings_in(model: type[BaseModel], name: str) -> Models:
    field: FieldInfo | None = model.model_fields.get(name)
    return _models_of(field.annotation) if field is not None else []


def _models_of(annotation: Any) -> Models:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is not None:
        return [model for argument in get_args(annotation) for model in _models_of(argument)]
    return []
