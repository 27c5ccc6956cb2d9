"""What a recipe may say, with the defaults that hold: one source for everybody who asks."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tunesmith.api.access import Reader
from tunesmith.api.paging import Page
from tunesmith.data.export import EXPORTS
from tunesmith.data.formats import FORMATS
from tunesmith.service import recipe_fields
from tunesmith.service.recipe_fields import MethodView, RecipeField
from tunesmith.training.config import TrainConfig

router = APIRouter(tags=["recipes"])


@router.get("/recipe-fields")
def list_recipe_fields(
    actor: Reader,
    method: Annotated[str, Query(description="how to train", max_length=40)] = "lora",
    model: Annotated[str, Query(description="base model", max_length=200)] = "smollm2-135m",
) -> Page[RecipeField]:
    """Every field of a recipe: meaning, unit, default for this method and model, sensible band."""
    return Page(data=recipe_fields.list_fields(method=method, model=model))


@router.get("/recipe-schema")
def get_recipe_schema(actor: Reader) -> dict[str, Any]:
    """The JSON schema of a recipe, for editors and forms."""
    return TrainConfig.model_json_schema()


@router.get("/methods")
def list_methods(actor: Reader) -> Page[MethodView]:
    """Methods of training: what becomes trainable and how."""
    return Page(data=recipe_fields.list_methods())


@router.get("/formats")
def list_formats(actor: Reader) -> dict[str, list[str]]:
    """Shapes of rows that an import reads, and that an export writes."""
    return {"imports": sorted(FORMATS), "exports": sorted(EXPORTS)}
