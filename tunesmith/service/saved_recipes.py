"""Recipes that a tenant keeps by name, to train with again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from tunesmith.errors import NotFound
from tunesmith.schema import check_name
from tunesmith.service.access import Actor
from tunesmith.service.services import Services
from tunesmith.store.tables import Recipe
from tunesmith.training.config import TrainConfig


@dataclass(frozen=True)
class SavedRecipe:
    """A recipe that is kept by name."""

    name: str
    recipe: dict[str, Any]
    created_by: str
    saved_at: datetime


def list_recipes(services: Services, tenant_id: str) -> list[SavedRecipe]:
    """A tenant's recipes by name."""
    mine = select(Recipe).where(Recipe.tenant_id == tenant_id).order_by(Recipe.name)
    with services.database.reading() as db:
        return [_view(row) for row in db.scalars(mine)]


def find_recipe(services: Services, tenant_id: str, name: str) -> SavedRecipe:
    """A tenant's recipe.

    Raises:
        NotFound: there is none of that name.
    """
    with services.database.reading() as db:
        return _view(_known(db.get(Recipe, (tenant_id, name)), name))


def save_recipe(services: Services, name: str, recipe: TrainConfig, *, actor: Actor) -> SavedRecipe:
    """Keep a recipe under `name`, in place of what was kept there.

    Raises:
        NameInvalid: the name breaks the rules.
    """
    check_name(name)
    with services.database.transaction() as db:
        row = db.get(Recipe, (actor.tenant_id, name), with_for_update=True)
        if row is None:
            row = Recipe(tenant_id=actor.tenant_id, name=name)
            db.add(row)
        row.recipe = recipe.model_dump(mode="json")
        row.created_by = actor.email
        row.saved_at = services.clock()
        return _view(row)


def delete_recipe(services: Services, tenant_id: str, name: str) -> None:
    """Keep a recipe no longer; runs that used it have their own copy.

    Raises:
        NotFound: there is none of that name.
    """
    with services.database.transaction() as db:
        db.delete(_known(db.get(Recipe, (tenant_id, name)), name))


def _known(row: Recipe | None, name: str) -> Recipe:
    if row is None:
        raise NotFound(f"there is no saved recipe {name!r}")
    return row


def _view(row: Recipe) -> SavedRecipe:
    return SavedRecipe(row.name, row.recipe, row.created_by, row.saved_at)
