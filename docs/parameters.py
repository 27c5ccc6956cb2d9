"""Write the tables of docs/recipe.md from the settings themselves: `make docs`."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from tunesmith.data import config as data
from tunesmith.modeling import config as modeling
from tunesmith.training import config as training

PAGE = Path(__file__).with_name("recipe.md")
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
    "trackers[]: {kind: mlflow | wandb}": training.ServerTracker,
    "trackers[]: {kind: trackio | comet}": training.ProjectTracker,
}


def tables() -> str:
    """All parameter tables as Markdown."""
    return "\n\n".join(f"### `{name}`\n\n{_table(kind)}" for name, kind in GROUPS.items())


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
    return re.sub(
        r"(<!-- tables -->\n).*(\n<!-- /tables -->)",
        lambda match: f"{match[1]}\n{tables()}\n{match[2]}",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    PAGE.write_text(page_with_tables(PAGE.read_text("utf-8")), "utf-8")
