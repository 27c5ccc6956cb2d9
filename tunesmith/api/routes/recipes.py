"""What a recipe may say, with the defaults that hold: one source for everybody who asks."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from tunesmith.api.access import Reader, Runner, ServicesDep
from tunesmith.api.paging import Page
from tunesmith.data.export import EXPORTS
from tunesmith.data.formats import FORMATS
from tunesmith.schema import Name, Strict
from tunesmith.service import drafts, recipe_fields, saved_recipes
from tunesmith.service.drafts import DraftView
from tunesmith.service.recipe_fields import MethodView, RecipeField
from tunesmith.service.saved_recipes import SavedRecipe
from tunesmith.training.config import TrainConfig
from tunesmith.training.presets import PRESETS, Preset
from tunesmith.training.saving import NEEDS, saving_settings

router = APIRouter(tags=["recipes"])


class Draft(Strict):
    """A recipe that may be unfinished."""

    recipe: dict[str, Any]


class SavingAdvice(Strict):
    """Settings of checkpoints by dotted path; what may be needed, and the questions for it."""

    needs: dict[str, str]
    settings: dict[str, Any]


class KeptRecipe(Strict):
    """A recipe to keep."""

    name: Name
    recipe: TrainConfig


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


@router.get("/presets")
def list_presets(actor: Reader) -> dict[str, Preset]:
    """Settings that go together, by what they are for."""
    return dict(PRESETS)


@router.get("/checkpoint-settings")
def get_checkpoint_settings(
    actor: Reader,
    need: Annotated[list[str], Query(description="what is so", max_length=10)] = [],  # noqa: B006
) -> SavingAdvice:
    """How often to save and how much to keep, by up to three needs; without any, the least."""
    return SavingAdvice(needs=dict(NEEDS), settings=saving_settings(need))


@router.post("/recipes/check")
def check_recipe(body: Draft, actor: Runner, services: ServicesDep) -> DraftView:
    """What is wrong with a draft, what it would come to, and the learning rate's course."""
    return drafts.check_draft(services, actor.tenant_id, body.recipe)


@router.get("/recipes")
def list_recipes(actor: Reader, services: ServicesDep) -> Page[SavedRecipe]:
    """The recipes that are kept, by name."""
    return Page(data=saved_recipes.list_recipes(services, actor.tenant_id))


@router.get("/recipes/{recipe_name}")
def get_recipe(recipe_name: str, actor: Reader, services: ServicesDep) -> SavedRecipe:
    """A recipe that is kept."""
    return saved_recipes.find_recipe(services, actor.tenant_id, recipe_name)


@router.post("/recipes", status_code=201)
def save_recipe(body: KeptRecipe, actor: Runner, services: ServicesDep) -> SavedRecipe:
    """Keep a recipe under a name, in place of what was kept there."""
    return saved_recipes.save_recipe(services, body.name, body.recipe, actor=actor)


@router.delete("/recipes/{recipe_name}", status_code=204)
def delete_recipe(recipe_name: str, actor: Runner, services: ServicesDep) -> None:
    """Keep a recipe no longer."""
    saved_recipes.delete_recipe(services, actor.tenant_id, recipe_name)
