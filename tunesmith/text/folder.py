"""What a model folder in the Hugging Face layout says about text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ValidationError
from tokenizers import Tokenizer

from tunesmith.errors import ModelRejected


@dataclass(frozen=True)
class TextFiles:
    """The content of a model folder's tokenizer, template and generation files."""

    tokenizer: Tokenizer
    chat_template: str | None
    special_tokens: Mapping[str, str]
    stop_ids: frozenset[int]


def read_text_files(folder: Path) -> TextFiles:
    """Read the files of `folder`; only `tokenizer.json` must be there.

    The others are `tokenizer_config.json`, `chat_template.jinja`, `generation_config.json` and
    `config.json`.

    Raises:
        ModelRejected: a file is missing or damaged.
    """
    settings = _read(_TokenizerConfig, folder / "tokenizer_config.json")
    special_tokens = settings.model_dump(exclude={"chat_template"})
    return TextFiles(
        tokenizer=_read_tokenizer(folder / "tokenizer.json"),
        chat_template=_chat_template(folder, settings),
        special_tokens={name: text for name, text in special_tokens.items() if text},
        stop_ids=_stop_ids(folder),
    )


def _token_text(value: Any) -> Any:
    """A token may be null, its text, or in older files an object around its text."""
    return value.get("content") if isinstance(value, dict) else value or ""  # pyright: ignore


_Token = Annotated[str, BeforeValidator(_token_text)]


class _NamedTemplate(BaseModel):
    name: str
    template: str


class _TokenizerConfig(BaseModel):
    chat_template: str | list[_NamedTemplate] | None = None
    bos_token: _Token = ""
    eos_token: _Token = ""
    pad_token: _Token = ""
    unk_token: _Token = ""


class _GenerationConfig(BaseModel):
    eos_token_id: int | list[int] | None = None


Settings = TypeVar("Settings", bound=BaseModel)


def _read(kind: type[Settings], path: Path) -> Settings:
    if not path.is_file():
        return kind()
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise ModelRejected(f"{path} is damaged: {where} {problem['msg']}") from error


def _read_tokenizer(path: Path) -> Tokenizer:
    if not path.is_file():
        raise ModelRejected(
            f"{path.parent} has no {path.name}",
            hint="choose a model folder in the Hugging Face layout with a fast tokenizer",
        )
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing more precise
        raise ModelRejected(f"{path} is not a tokenizer: {error}") from error
    # Files often carry the limits of the last program that used them; ours are explicit.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _chat_template(folder: Path, settings: _TokenizerConfig) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise ModelRejected(f"{path} is not UTF-8 text") from error
    if isinstance(settings.chat_template, list):
        named = {each.name: each.template for each in settings.chat_template}
        return named.get("default")
    return settings.chat_template


def _stop_ids(folder: Path) -> frozenset[int]:
    """Where the model's makers let generation stop."""
    for name in ("generation_config.json", "config.json"):
        ids = _read(_GenerationConfig, folder / name).eos_token_id
        if ids is not None:
            return frozenset(ids if isinstance(ids, list) else [ids])
    return frozenset()
