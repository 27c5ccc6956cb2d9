"""The HTTP app: routes, guards and error shapes put together."""

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

import tunesmith
from tunesmith.api.access import check_declared, find_actor
from tunesmith.api.errors import (
    ERROR_RESPONSES,
    OPENAI_API,
    OPENAI_ERROR_RESPONSES,
    install_error_handlers,
)
from tunesmith.api.metrics import Metrics
from tunesmith.api.middleware import RequestGuard
from tunesmith.api.openai import answers as openai_answers
from tunesmith.api.openai import files as openai_files
from tunesmith.api.openai import fine_tuning as openai_fine_tuning
from tunesmith.api.openai import models as openai_models
from tunesmith.api.openapi import install_openapi
from tunesmith.api.routes import (
    access,
    admin,
    channels,
    chat_votes,
    comparisons,
    datasets,
    deployments,
    evaluations,
    files,
    health,
    jobs,
    library,
    machines,
    metrics,
    models,
    recipes,
    requests,
    runs,
    sweeps,
    tenant,
    transcripts,
)
from tunesmith.service.services import Services

API = "/api/v1"

Part: TypeAlias = Literal["everything", "tenants", "operator"]

_TENANTS: tuple[APIRouter, ...] = (
    datasets.router,
    files.router,
    jobs.router,
    sweeps.router,
    runs.router,
    models.router,
    comparisons.router,
    chat_votes.router,
    deployments.router,
    requests.router,
    evaluations.router,
    library.router,
    transcripts.router,
    recipes.router,
    machines.router,
    tenant.router,
    channels.router,
)
_OPENAI_ROUTERS: tuple[APIRouter, ...] = (
    openai_files.router,
    openai_fine_tuning.router,
    openai_models.router,
    openai_answers.router,
)
_ROUTERS: Mapping[Part, tuple[APIRouter, ...]] = {
    "everything": (access.router, *_TENANTS, admin.router),
    "tenants": (access.router, *_TENANTS),
    "operator": (access.router, admin.router),
}


def create_app(
    services: Services,
    *,
    part: Part = "everything",
    figures: Metrics | None = None,
    pages: Iterable[APIRouter] = (),
) -> FastAPI:
    """The app on `services`, or the part of it that a port of its own serves.

    `figures` are those of the process, where it has several apps. `pages` are the console's.

    Raises:
        AssertionError: a route does not declare who may call it.
    """
    app = FastAPI(
        title="Tunesmith",
        version=tunesmith.__version__,
        summary="Turn a team's own data into a better language model.",
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=ERROR_RESPONSES,
        generate_unique_id_function=_operation_id,
    )
    app.state.services = services
    app.state.metrics = figures or Metrics(services)
    app.include_router(health.router)
    for router in _ROUTERS[part]:
        app.include_router(router, prefix=API)
    for router in pages:
        app.include_router(router)
    if part != "operator":
        app.include_router(runs.events_router)
        for router in _OPENAI_ROUTERS:
            app.include_router(router, prefix=OPENAI_API, responses=OPENAI_ERROR_RESPONSES)
    if part != "tenants":
        app.include_router(metrics.router)
    app.add_middleware(
        RequestGuard,
        hosts=services.config.allowed_hosts,
        max_body=services.config.max_body_bytes,
        max_upload=services.config.max_upload_bytes,
        knows_caller=lambda request: find_actor(services, request) is not None,
        durations=app.state.metrics.requests,
    )
    install_error_handlers(app)
    check_declared(app)
    install_openapi(app)
    return app


def _operation_id(route: APIRoute) -> str:
    is_openai = route.path.startswith(f"{OPENAI_API}/")
    return f"openai_{route.name}" if is_openai else route.name
