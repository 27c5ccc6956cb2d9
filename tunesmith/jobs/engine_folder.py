"""What the folder of an engine's process holds. Torch-free."""

from pathlib import Path

from pydantic import ValidationError

from tunesmith.artifacts import write_durably, write_json
from tunesmith.schema import Strict, setting
from tunesmith.serving.engines import REFERENCE
from tunesmith.serving.spec import ServeSpec

_SPEC, _REFUSAL = "engine.json", "refusal.json"


class EngineSpec(Strict):
    """Which program serves what."""

    kind: str = setting(REFERENCE, "of `serving.engines.ENGINES`")
    serve: ServeSpec


class Refusal(Strict):
    """Why an engine cannot serve: trying again would not help."""

    message: str
    hint: str = ""


def write_engine(folder: Path, spec: EngineSpec) -> None:
    """Prepare `folder` for a process. It holds a secret: nobody else may read it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _REFUSAL).unlink(missing_ok=True)
    write_durably(folder / _SPEC, spec.model_dump_json(), mode=0o600)


def read_engine(folder: Path) -> EngineSpec:
    """What the process of `folder` is to serve."""
    return EngineSpec.model_validate_json((folder / _SPEC).read_text("utf-8"))


def write_refusal(folder: Path, refusal: Refusal) -> None:
    """Leave word of what keeps the process of `folder` from serving."""
    write_json(folder / _REFUSAL, refusal.model_dump())


def read_refusal(folder: Path) -> Refusal | None:
    """What the process of `folder` was refused for."""
    try:
        return Refusal.model_validate_json((folder / _REFUSAL).read_text("utf-8"))
    except (FileNotFoundError, ValidationError):
        return None
