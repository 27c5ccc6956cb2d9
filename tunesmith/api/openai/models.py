"""Models, as OpenAI's clients list them: the base models that are here, and the tenant's own."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.api.openai.lists import Identified, ObjectList, as_list
from tunesmith.errors import AccessDenied
from tunesmith.service import model_pages, registry
from tunesmith.service.registry import BaseView, find_model
from tunesmith.service.services import Services
from tunesmith.store.tables import Model

router = APIRouter(tags=["openai"], prefix="/models")

_INSTALLATION = "system"  # owns the base models


class ModelObject(Identified):
    """A model that can be trained further or asked."""

    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelDeleted(BaseModel):
    """A model that is no longer registered."""

    id: str
    object: Literal["model"] = "model"
    deleted: bool = True


@router.get("")
def list_models(actor: Reader, services: ServicesDep) -> ObjectList[ModelObject]:
    """The base models, then the tenant's own, newest first."""
    bases = [_base(view) for view in registry.list_bases(services)]
    own = registry.list_registered(services, actor.tenant_id)
    return as_list([*bases, *(_own(model, actor.tenant) for model in own)])


@router.get("/{model}")
def retrieve_model(model: str, actor: Reader, services: ServicesDep) -> ModelObject:
    """A model, by its id or its name."""
    base = _find_base(services, model)
    return base or _own(find_model(services, actor.tenant_id, model), actor.tenant)


@router.delete("/{model}")
def delete_model(model: str, actor: ModelEditor, services: ServicesDep) -> ModelDeleted:
    """Take a model of the tenant from the registry; the run that made it stays.

    Raises:
        AccessDenied: it is a base model, which all tenants share.
    """
    if _find_base(services, model) is not None:
        raise AccessDenied(f"{model} is a base model, which belongs to the installation")
    found = find_model(services, actor.tenant_id, model)
    model_pages.delete_model(services, actor.tenant_id, found.id)
    return ModelDeleted(id=found.id)


def _find_base(services: Services, model: str) -> ModelObject | None:
    views = registry.list_bases(services)
    return next((_base(view) for view in views if view.name == model), None)


def _base(view: BaseView) -> ModelObject:
    return ModelObject(id=view.name, created=int(view.since.timestamp()), owned_by=_INSTALLATION)


def _own(model: Model, tenant: str) -> ModelObject:
    return ModelObject(id=model.id, created=int(model.created_at.timestamp()), owned_by=tenant)
