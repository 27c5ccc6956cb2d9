"""The registry of models, and the base models that training can start from."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.api.paging import After, AfterNumber, Limit, Page
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import alias_moves, model_archives, model_pages, models
from tunesmith.service.alias_moves import AliasMoveView
from tunesmith.service.model_pages import AliasView, ModelLineage, RegisteredModel

router = APIRouter(tags=["models"])

AliasName = Annotated[str, Path(description="the alias", max_length=200)]


class ModelChange(Strict):
    """What to change; what is left out stays."""

    name: Name | None = setting(None, "another name, for all versions")
    description: str | None = setting(None, "what this version is", max_length=2000)


class AliasTarget(Strict):
    """Where an alias points."""

    model: str = setting(..., "a model's id, name or NAME@VERSION", min_length=1, max_length=200)
    instead_of: str | None = setting(
        None, "refused unless it points to this one now", min_length=1, max_length=200
    )


@dataclass(frozen=True)
class BaseModelView:
    """A model of the catalog; `is_here` says whether it was pulled."""

    name: str
    summary: str
    licence: str
    num_parameters: int
    is_here: bool
    num_bytes: int


@router.get("/base-models")
def list_base_models(actor: Reader, services: ServicesDep) -> Page[BaseModelView]:
    """The models that training can start from."""
    views = models.list_models(services.home(actor.tenant_id))
    return Page(
        data=[
            BaseModelView(
                view.name,
                view.summary,
                view.licence,
                view.num_parameters,
                view.pulled,
                view.bytes_on_disk,
            )
            for view in views
        ]
    )


@router.get("/models")
def list_models(
    actor: Reader,
    services: ServicesDep,
    name: Annotated[str | None, Query(description="versions of this one", max_length=200)] = None,
    after: After = None,
    limit: Limit = 20,
) -> Page[RegisteredModel]:
    """Registered model versions, newest first; `after` is the last id."""
    data, has_more = model_pages.list_models(
        services, actor.tenant_id, name=name, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/models/{model_id}")
def get_model(model_id: str, actor: Reader, services: ServicesDep) -> RegisteredModel:
    """A version of a model."""
    return model_pages.get_model(services, actor.tenant_id, model_id)


@router.patch("/models/{model_id}")
def change_model(
    model_id: str, body: ModelChange, actor: ModelEditor, services: ServicesDep
) -> RegisteredModel:
    """Rename a model with all its versions, or describe this version."""
    return model_pages.change_model(
        services, actor.tenant_id, model_id, name=body.name, description=body.description
    )


@router.delete("/models/{model_id}", status_code=204)
def delete_model(model_id: str, actor: ModelEditor, services: ServicesDep) -> None:
    """Delete a version and its files. Refused while an alias, a model or a job needs it."""
    model_pages.delete_model(services, actor.tenant_id, model_id)


@router.get("/models/{model_id}/lineage")
def get_model_lineage(model_id: str, actor: Reader, services: ServicesDep) -> ModelLineage:
    """What a model was made from, and what was made from it."""
    return model_pages.lineage(services, actor.tenant_id, model_id)


@router.get(
    "/models/{model_id}/archive",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-tar": {}}, "description": "a tar file"}},
)
def export_model(model_id: str, actor: ModelEditor, services: ServicesDep) -> StreamingResponse:
    """All files of a model, with the manifest that holds their hashes, as a tar file."""
    name, chunks = model_archives.archive(services, actor.tenant_id, model_id)
    return StreamingResponse(
        chunks,
        media_type="application/x-tar",
        headers={"content-disposition": f"attachment; filename*=utf-8''{quote(name)}"},
    )


@router.get("/aliases")
def list_aliases(actor: Reader, services: ServicesDep) -> Page[AliasView]:
    """Names such as `prod` and the models they point to."""
    return Page(data=model_pages.list_aliases(services, actor.tenant_id))


@router.put("/aliases/{alias}")
def set_alias(
    alias: AliasName, body: AliasTarget, actor: ModelEditor, services: ServicesDep
) -> AliasView:
    """Let an alias point to a model; it is made if it is new."""
    return model_pages.set_alias(
        services, actor, alias, model=body.model, instead_of=body.instead_of
    )


@router.delete("/aliases/{alias}", status_code=204)
def delete_alias(alias: AliasName, actor: ModelEditor, services: ServicesDep) -> None:
    """Forget an alias; the model stays, and so does the alias's history."""
    model_pages.delete_alias(services, actor, alias)


@router.get("/aliases/{alias}/history")
def list_alias_moves(
    alias: AliasName,
    actor: Reader,
    services: ServicesDep,
    after: AfterNumber = 0,
    limit: Limit = 20,
) -> Page[AliasMoveView]:
    """Who let an alias point where, newest first; it outlives the alias."""
    data, has_more = alias_moves.list_moves(
        services, actor.tenant_id, alias, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)
