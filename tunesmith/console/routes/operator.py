"""Settings of the installation, for its operator: tenants, people, prices, workers."""

from typing import Annotated

from fastapi import Form, Query, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Operator, ServicesDep
from tunesmith.console.pages import go, page_router, render
from tunesmith.console.routes.settings import Email, FirstPassword
from tunesmith.service import operating, tenants

router = page_router()

_ENTRIES_A_PAGE = 50

After = Annotated[str | None, Query(max_length=200)]
Name = Annotated[str, Form(min_length=1, max_length=200)]
# None, an empty field, is the installation's default, or no limit.
Quota = Annotated[int | None, Form(ge=0, lt=10**9)]
Price = Annotated[float, Form(ge=0, le=1e6)]


# --- tenants ---------------------------------------------------------------------------------


@router.get("/settings/tenants")
def list_tenants(
    request: Request, actor: Operator, services: ServicesDep, after: After = None
) -> HTMLResponse:
    """All tenants with their quotas."""
    found, has_more = tenants.list_tenants(services, after=after, limit=_ENTRIES_A_PAGE)
    return render(request, "settings/tenants.html", actor=actor, tenants=found, has_more=has_more)


@router.post("/settings/tenants")
def add_tenant(
    request: Request,
    actor: Operator,
    services: ServicesDep,
    name: Name,
    owner: Email,
    password: FirstPassword = None,
) -> Response:
    """Make a tenant and its first owner."""
    tenants.add_tenant(services, name, owner=owner, password=password, quotas={})
    return go(request, "/settings/tenants")


@router.post("/settings/tenants/{tenant_id}")
def change_tenant(
    request: Request,
    actor: Operator,
    services: ServicesDep,
    tenant_id: str,
    name: Name,
    max_running: Quota = None,
    max_queued: Quota = None,
    max_gigabytes: Quota = None,
) -> Response:
    """Rename a tenant and set its quotas."""
    quotas = {
        "max_running": max_running,
        "max_queued": max_queued,
        "max_bytes": None if max_gigabytes is None else max_gigabytes * 10**9,
    }
    tenants.change_tenant(services, tenant_id, name=name, quotas=quotas)
    return go(request, "/settings/tenants")


@router.delete("/settings/tenants/{tenant_id}")
def delete_tenant(
    request: Request, actor: Operator, services: ServicesDep, tenant_id: str
) -> Response:
    """Delete a tenant with everything in it."""
    tenants.delete_tenant(services, tenant_id)
    return go(request, "/settings/tenants")


# --- people ----------------------------------------------------------------------------------


@router.get("/settings/people")
def list_people(
    request: Request, actor: Operator, services: ServicesDep, after: After = None
) -> HTMLResponse:
    """Everybody who can log in."""
    found, has_more = operating.list_people(services, after=after, limit=_ENTRIES_A_PAGE)
    return render(request, "settings/people.html", actor=actor, people=found, has_more=has_more)


@router.post("/settings/people")
def add_admin(
    request: Request,
    actor: Operator,
    services: ServicesDep,
    email: Email,
    password: FirstPassword = None,
) -> Response:
    """Make somebody an operator."""
    operating.add_admin(services, email=email, password=password)
    return go(request, "/settings/people")


@router.post("/settings/people/{person_id}")
def change_person(
    request: Request,
    actor: Operator,
    services: ServicesDep,
    person_id: str,
    is_admin: Annotated[bool, Form()] = False,
    password: FirstPassword = None,
) -> Response:
    """Make somebody an operator or not; with a password, give them that one."""
    operating.change_person(services, person_id, is_admin=is_admin, password=password)
    return go(request, "/settings/people")


@router.delete("/settings/people/{person_id}")
def lock_out(request: Request, actor: Operator, services: ServicesDep, person_id: str) -> Response:
    """Take somebody out of every tenant and end their keys."""
    operating.lock_out(services, person_id)
    return go(request, "/settings/people")


# --- pools and workers -----------------------------------------------------------------------


@router.get("/settings/prices")
def list_prices(request: Request, actor: Operator, services: ServicesDep) -> HTMLResponse:
    """Pools with their prices, and workers with where they are."""
    return render(
        request,
        "settings/prices.html",
        actor=actor,
        pools=operating.list_pools(services),
        details=operating.list_worker_details(services),
    )


@router.post("/settings/prices")
def set_price(
    request: Request,
    actor: Operator,
    services: ServicesDep,
    pool: Name,
    price_per_core_hour: Price = 0.0,
    price_per_gpu_hour: Price = 0.0,
    currency: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Say what a pool's time costs."""
    operating.set_pool(
        services,
        pool,
        price_per_core_hour=price_per_core_hour,
        price_per_gpu_hour=price_per_gpu_hour,
        currency=currency,
    )
    return go(request, "/settings/prices")


@router.delete("/settings/workers/{worker_id}")
def forget_worker(
    request: Request, actor: Operator, services: ServicesDep, worker_id: str
) -> Response:
    """Forget a worker that is gone."""
    operating.forget_worker(services, worker_id)
    return go(request, "/settings/prices")
