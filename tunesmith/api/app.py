"""The HTTP app: routes, guards and error shapes put together."""

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute

import tunesmith
from tunesmith.api.access import check_declared, declared_access
from tunesmith.api.errors import ERROR_RESPONSES, install_error_handlers
from tunesmith.api.middleware import RequestGuard
from tunesmith.api.routes import access, files, health, jobs, runs
from tunesmith.service.services import Services

API = "/api/v1"

_ROUTERS: tuple[APIRouter, ...] = (
    access.router,
    files.router,
    jobs.router,
    runs.router,
)


def create_app(services: Services) -> FastAPI:
    """The app on `services`.

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
    app.include_router(health.router)
    for router in _ROUTERS:
        app.include_router(router, prefix=API)
    app.add_middleware(
        RequestGuard,
        hosts=services.config.allowed_hosts,
        max_body=services.config.max_body_bytes,
        max_upload=services.config.max_upload_bytes,
    )
    install_error_handlers(app)
    check_declared(app.routes)
    _show_access(app)
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _show_access(app: FastAPI) -> None:
    """Write what each route declares into the OpenAPI file."""
    for route in app.routes:
        if isinstance(route, APIRoute):
            route.openapi_extra = {
                **(route.openapi_extra or {}),
                "x-access": declared_access(route),
            }
