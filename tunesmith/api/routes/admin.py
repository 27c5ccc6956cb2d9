"""The operator's routes: tenants and quotas, people, pools and prices, workers, the whole log."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tunesmith.api.access import Operator, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import audit, operating, tenants
from tunesmith.service.audit import AuditView, Verification
from tunesmith.service.operating import PersonView, PoolView, WorkerDetail
from tunesmith.service.tenants import TenantView

router = APIRouter(tags=["admin"], prefix="/admin")

_MOST_JOBS = 1_000_000


class Quotas(Strict):
    """What a tenant may have; null is the installation's default, or no limit."""

    max_running: int | None = setting(None, "jobs at work at a time", ge=0, le=_MOST_JOBS)
    max_queued: int | None = setting(None, "jobs that wait", ge=0, le=_MOST_JOBS)
    max_bytes: int | None = setting(None, "uploaded files", unit="bytes", ge=0, le=2**53)


class NewTenant(Strict):
    """A tenant to make, with its first owner."""

    name: Name = setting(..., "the tenant's name")
    owner: str = setting(..., "e-mail of its first owner", min_length=3, max_length=254)
    password: str | None = setting(
        None, "a first password, for who has none here yet", max_length=1000
    )
    quotas: Quotas = setting(Quotas(), "what it may have")


class TenantChange(Strict):
    """What to change of a tenant; what is left out stays."""

    name: Name | None = setting(None, "another name")
    quotas: Quotas = setting(Quotas(), "the quotas to set")


class NewAdmin(Strict):
    """Who becomes an operator."""

    email: str = setting(..., "their e-mail", min_length=3, max_length=254)
    password: str | None = setting(
        None, "a first password, for who has none here yet", max_length=1000
    )


class PersonChange(Strict):
    """What to change of a person; what is left out stays."""

    is_admin: bool | None = setting(None, "whether they operate the installation")
    password: str | None = setting(None, "a new password; ends their sessions", max_length=1000)


class Prices(Strict):
    """What a pool's time costs."""

    price_per_core_hour: float = setting(0.0, "price of a core for an hour", ge=0, le=1e6)
    price_per_gpu_hour: float = setting(0.0, "price of a GPU for an hour", ge=0, le=1e6)
    currency: str = setting("", "what prices are in, such as EUR", max_length=10)


PoolName = Annotated[str, Path(description="the pool", max_length=200)]
Before = Annotated[
    int | None, Query(description="the last number of the page before", ge=1, le=2**53)
]


@router.get("/tenants")
def list_tenants(
    actor: Operator, services: ServicesDep, after: After = None, limit: Limit = 20
) -> Page[TenantView]:
    """All tenants, oldest first; `after` is the last id."""
    data, has_more = tenants.list_tenants(services, after=after, limit=limit)
    return Page(data=data, has_more=has_more)


@router.post("/tenants", status_code=201)
def add_tenant(body: NewTenant, actor: Operator, services: ServicesDep) -> TenantView:
    """Make a tenant and its first owner."""
    quotas = body.quotas.model_dump(exclude_unset=True)
    return tenants.add_tenant(
        services, body.name, owner=body.owner, password=body.password, quotas=quotas
    )


@router.get("/tenants/{tenant_id}")
def get_any_tenant(tenant_id: str, actor: Operator, services: ServicesDep) -> TenantView:
    """A tenant, its quotas, and what it uses of them."""
    return tenants.get_tenant(services, tenant_id)


@router.patch("/tenants/{tenant_id}")
def change_tenant(
    tenant_id: str, body: TenantChange, actor: Operator, services: ServicesDep
) -> TenantView:
    """Rename a tenant, or set quotas."""
    quotas = body.quotas.model_dump(exclude_unset=True)
    return tenants.change_tenant(services, tenant_id, name=body.name, quotas=quotas)


@router.delete("/tenants/{tenant_id}", status_code=204)
def delete_tenant(tenant_id: str, actor: Operator, services: ServicesDep) -> None:
    """Delete a tenant with everything in it. Refused while jobs of it are at work."""
    tenants.delete_tenant(services, tenant_id)


@router.get("/people")
def list_people(
    actor: Operator, services: ServicesDep, after: After = None, limit: Limit = 20
) -> Page[PersonView]:
    """Everybody who can log in, oldest first; `after` is the last id."""
    data, has_more = operating.list_people(services, after=after, limit=limit)
    return Page(data=data, has_more=has_more)


@router.post("/people", status_code=201)
def add_admin(body: NewAdmin, actor: Operator, services: ServicesDep) -> PersonView:
    """Make somebody an operator."""
    return operating.add_admin(services, email=body.email, password=body.password)


@router.patch("/people/{person_id}")
def change_person(
    person_id: str, body: PersonChange, actor: Operator, services: ServicesDep
) -> PersonView:
    """Make somebody an operator or not, or give them a new password."""
    return operating.change_person(
        services, person_id, is_admin=body.is_admin, password=body.password
    )


@router.delete("/people/{person_id}", status_code=204)
def lock_out(person_id: str, actor: Operator, services: ServicesDep) -> None:
    """Take somebody out of every tenant and end their keys; what they made stays."""
    operating.lock_out(services, person_id)


@router.get("/pools")
def list_all_pools(actor: Operator, services: ServicesDep) -> Page[PoolView]:
    """Pools: what they offer and what they cost."""
    return Page(data=operating.list_pools(services))


@router.put("/pools/{pool}")
def set_pool(pool: PoolName, body: Prices, actor: Operator, services: ServicesDep) -> PoolView:
    """Say what a pool's time costs."""
    return operating.set_pool(
        services,
        pool,
        price_per_core_hour=body.price_per_core_hour,
        price_per_gpu_hour=body.price_per_gpu_hour,
        currency=body.currency,
    )


@router.delete("/pools/{pool}", status_code=204)
def delete_pool(pool: PoolName, actor: Operator, services: ServicesDep) -> None:
    """Forget a pool's prices."""
    operating.delete_pool(services, pool)


@router.get("/workers")
def list_all_workers(actor: Operator, services: ServicesDep) -> Page[WorkerDetail]:
    """Workers, with where they are."""
    return Page(data=operating.list_worker_details(services))


@router.delete("/workers/{worker_id}", status_code=204)
def forget_worker(worker_id: str, actor: Operator, services: ServicesDep) -> None:
    """Forget a worker that is gone; one that lives says hello again."""
    operating.forget_worker(services, worker_id)


@router.get("/audit")
def list_whole_audit(
    actor: Operator, services: ServicesDep, before: Before = None, limit: Limit = 20
) -> Page[AuditView]:
    """Who changed what, in all tenants and beside them, newest first."""
    data, has_more = audit.list_calls(services, None, before=before, limit=limit)
    return Page(data=data, has_more=has_more)


@router.get("/audit/verification")
def verify_whole_audit(actor: Operator, services: ServicesDep) -> Verification:
    """Whether lines of the log were changed or taken out since they were written."""
    return audit.verify_log(services)
