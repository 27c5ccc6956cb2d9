"""Where jobs run: pools, workers, and the tenant's own queue."""

from fastapi import APIRouter

from tunesmith.api.access import Reader, ServicesDep
from tunesmith.api.paging import Page
from tunesmith.service import job_views, operating
from tunesmith.service.job_views import JobView
from tunesmith.service.operating import PoolView, WorkerView

router = APIRouter(tags=["machines"])


@router.get("/pools")
def list_pools(actor: Reader, services: ServicesDep) -> Page[PoolView]:
    """Pools of workers: what they offer and what they cost."""
    return Page(data=operating.list_pools(services))


@router.get("/workers")
def list_workers(actor: Reader, services: ServicesDep) -> Page[WorkerView]:
    """Workers: how large they are and whether they live."""
    return Page(data=operating.list_workers(services))


@router.get("/queue")
def list_queue(actor: Reader, services: ServicesDep) -> Page[JobView]:
    """The tenant's jobs at work, then those that wait, in the order of the queue."""
    jobs, _ = job_views.list_queue(services, actor.tenant_id)
    return Page(data=jobs)
