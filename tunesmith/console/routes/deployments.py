"""Deployments: which models answer, how they fare, what they cost in memory."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import ModelEditor, Reader, ServicesDep
from tunesmith.console.choices import list_choices
from tunesmith.console.pages import go, page_router, render
from tunesmith.service import deployments, operating, request_log
from tunesmith.service.access import Actor
from tunesmith.service.deployments import DeploymentRequest
from tunesmith.service.services import Services

router = page_router()

_MOST_SHOWN = 100
_RECENT_REQUESTS = 5


@router.get("/deployments")
def deployments_page(
    request: Request,
    actor: Reader,
    services: ServicesDep,
    model: Annotated[str | None, Query(max_length=300)] = None,
) -> HTMLResponse:
    """All deployments, and the form for another one, which `model` begins with."""
    form = _form(services, actor, model)
    return render(request, "deployments.html", actor=actor, **form, **_shown(services, actor))


@router.get("/deployments/engines")
def deploy_form(
    request: Request,
    actor: ModelEditor,
    services: ServicesDep,
    model: Annotated[str, Query(min_length=1, max_length=300)],
) -> HTMLResponse:
    """The form with the engines for a model."""
    form = _form(services, actor, model)
    return render(request, "parts/deploy_form.html", actor=actor, **form)


def _form(services: Services, actor: Actor, chosen: str | None) -> Mapping[str, Any]:
    """What the form offers for the chosen model, by default the first."""
    choices = list_choices(
        services, actor.tenant_id, encoders=True, also=[chosen] if chosen else []
    )
    chosen = chosen or (choices[0].name if choices else "")
    engines = deployments.list_engines(services, actor.tenant_id, chosen) if chosen else []
    return {"choices": choices, "chosen": chosen, "engines": engines}


@router.get("/deployments/list")
def deployments_list(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The part of the page that changes by itself."""
    return render(request, "parts/deployments.html", actor=actor, **_shown(services, actor))


def _shown(services: Services, actor: Actor) -> Mapping[str, Any]:
    page, has_more = deployments.list_deployments(
        services, actor.tenant_id, states=[], after=None, limit=_MOST_SHOWN
    )
    return {"deployments": page, "has_more": has_more, "pool": operating.own_pool(services)}


@router.post("/deployments")
def deploy(
    request: Request,
    actor: ModelEditor,
    services: ServicesDep,
    model: Annotated[str, Form(min_length=1, max_length=300)],
    engine: Annotated[str, Form(max_length=40)],
) -> Response:
    """Deploy a model."""
    wanted = DeploymentRequest(model=model, engine=engine)
    deployments.deploy(services, wanted, actor=actor)
    return _changed()


@router.get("/deployments/{deployment_id}")
def deployment_page(
    request: Request, deployment_id: str, actor: Reader, services: ServicesDep
) -> HTMLResponse:
    """One deployment: how to ask it, and what it was asked lately."""
    now = _now(services, actor, deployment_id)
    address = f"{request.base_url}v1"
    return render(request, "deployment.html", actor=actor, address=address, **now)


@router.get("/deployments/{deployment_id}/now")
def deployment_now(
    request: Request, deployment_id: str, actor: Reader, services: ServicesDep
) -> HTMLResponse:
    """The part of its page that changes by itself."""
    now = _now(services, actor, deployment_id)
    return render(request, "parts/deployment.html", actor=actor, **now)


def _now(services: Services, actor: Actor, deployment_id: str) -> Mapping[str, Any]:
    requests, _ = request_log.list_requests(
        services,
        actor.tenant_id,
        model=None,
        deployment_id=deployment_id,
        failed=None,
        since=None,
        after=None,
        limit=_RECENT_REQUESTS,
    )
    found = deployments.get_deployment(services, actor.tenant_id, deployment_id)
    return {"deployment": found, "requests": requests}


@router.post("/deployments/{deployment_id}/stop")
def stop(deployment_id: str, actor: ModelEditor, services: ServicesDep) -> Response:
    """Take no more requests."""
    deployments.stop_deployment(services, actor.tenant_id, deployment_id)
    return _changed()


@router.post("/deployments/{deployment_id}/start")
def start(deployment_id: str, actor: ModelEditor, services: ServicesDep) -> Response:
    """Deploy again what has stopped or failed."""
    deployments.start_deployment(services, actor.tenant_id, deployment_id)
    return _changed()


@router.delete("/deployments/{deployment_id}")
def delete(
    request: Request, deployment_id: str, actor: ModelEditor, services: ServicesDep
) -> Response:
    """Forget a deployment that has stopped or failed."""
    deployments.delete_deployment(services, actor.tenant_id, deployment_id)
    return go(request, "/deployments")


def _changed() -> Response:
    """What shows deployments looks again at once."""
    return Response(status_code=204, headers={"HX-Trigger": "deployments-changed"})
