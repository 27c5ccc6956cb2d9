"""Deployments: models that answer."""

from typing import Annotated

from fastapi import APIRouter, Query

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.service import deployments
from tunesmith.service.deployments import DeploymentRequest, DeploymentView, EngineChoice
from tunesmith.store.tables import DeploymentState

router = APIRouter(tags=["deployments"], prefix="/deployments")


@router.post("", status_code=201)
def deploy_model(
    body: DeploymentRequest, actor: ModelEditor, services: ServicesDep
) -> DeploymentView:
    """Deploy a model; it answers under `/v1` once it is ready. Asking twice gives the same."""
    return deployments.deploy(services, body, actor=actor)


@router.get("")
def list_deployments(
    actor: Reader,
    services: ServicesDep,
    state: Annotated[list[DeploymentState], Query(max_length=10)] = [],  # noqa: B006
    after: After = None,
    limit: Limit = 20,
) -> Page[DeploymentView]:
    """Deployments, newest first."""
    data, has_more = deployments.list_deployments(
        services, actor.tenant_id, states=state, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/engines")
def list_engines(
    actor: Reader,
    services: ServicesDep,
    model: Annotated[str, Query(min_length=1, max_length=300)],
) -> Page[EngineChoice]:
    """Every engine, and why it cannot serve a model where it cannot."""
    return Page(data=deployments.list_engines(services, actor.tenant_id, model))


@router.get("/{deployment_id}")
def get_deployment(deployment_id: str, actor: Reader, services: ServicesDep) -> DeploymentView:
    """A deployment, and why it is in its state."""
    return deployments.get_deployment(services, actor.tenant_id, deployment_id)


@router.post("/{deployment_id}/stop")
def stop_deployment(
    deployment_id: str, actor: ModelEditor, services: ServicesDep
) -> DeploymentView:
    """Take no more requests; answers under way are finished."""
    return deployments.stop_deployment(services, actor.tenant_id, deployment_id)


@router.post("/{deployment_id}/start")
def start_deployment(
    deployment_id: str, actor: ModelEditor, services: ServicesDep
) -> DeploymentView:
    """Deploy again what has stopped or failed."""
    return deployments.start_deployment(services, actor.tenant_id, deployment_id)


@router.delete("/{deployment_id}", status_code=204)
def delete_deployment(deployment_id: str, actor: ModelEditor, services: ServicesDep) -> None:
    """Forget a deployment that has stopped or failed."""
    deployments.delete_deployment(services, actor.tenant_id, deployment_id)
