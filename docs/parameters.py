"""Write the tables of docs/recipe.md and docs/service.md from the settings: `make docs`."""

import re
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tunesmith.data import config as data
from tunesmith.modeling import config as modeling
from tunesmith.service import config as service
from tunesmith.training import config as training

PAGES = [Path(__file__).with_name(name) for name in ("recipe.md", "service.md")]
GROUPS: dict[str, type[BaseModel]] = {
    "recipe": training.TrainConfig,
    "data": data.DataConfig,
    "data.train[]": data.WeightedDataset,
    "data.mix": data.MixConfig,
    "data.passages": data.PassagesConfig,
    "data.validation: {kind: split}": data.SplitValidation,
    "data.validation: {kind: fold}": data.FoldValidation,
    "data.validation: {kind: dataset}": data.DatasetValidation,
    "method: {kind: lora}": modeling.LoraConfig,
    "training": training.TrainingConfig,
    "training.scheduler: {kind: polynomial}": training.PolynomialSchedule,
    "training.scheduler: {kind: cosine-restarts}": training.CosineRestartsSchedule,
    "checkpoint": training.CheckpointConfig,
    "samples": training.SamplesConfig,
    "trackers[]: {kind: mlflow | wandb}": training.ServerTracker,
    "trackers[]: {kind: trackio | comet}": training.ProjectTracker,
}
SERVICE: dict[str, type[BaseModel]] = {"settings": service.ServiceConfig}


def tables(groups: dict[str, type[BaseModel]]) -> str:
    """The parameter tables of `groups` as Markdown."""
    return "\n\n".join(f"### `{name}`\n\n{_table(kind)}" for name, kind in groups.items())


def _table(kind: type[BaseModel]) -> str:
    lines = ["| Key | Default | Sensible | Meaning |", "|---|---|---|---|"]
    for name, field in kind.model_fields.items():
        if name == "kind":
            continue
        extra: Any = field.json_schema_extra or {}
        unit = f" {extra['unit']}" if extra.get("unit") else ""
        band = extra.get("band")
        sensible = f"{band[0]:g} to {band[1]:g}{unit}" if band else unit.strip()
        lines.append(f"| `{name}` | {_default(field.default)} | {sensible} | {field.description} |")
    return "\n".join(lines)


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "required"
    if isinstance(value, BaseModel):
        kind = getattr(value, "kind", None)
        return f"`{{kind: {kind}}}`" if kind else "see below"
    return f"`{value}`" if value != "" else "empty"


def page_with_tables(page: str) -> str:
    """`page` with what stands between the markers replaced by the tables of today."""
    for marker, groups in (("tables", GROUPS), ("settings", SERVICE)):
        page = re.sub(
            rf"(<!-- {marker} -->\n).*(\n<!-- /{marker} -->)",
            partial(_between_markers, groups),
            page,
            flags=re.DOTALL,
        )
    return page


def _between_markers(groups: dict[str, type[BaseModel]], match: re.Match[str]) -> str:
    return f"{match[1]}\n{tables(groups)}\n{match[2]}"


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(page_with_tables(path.read_text("utf-8")), "utf-8")
