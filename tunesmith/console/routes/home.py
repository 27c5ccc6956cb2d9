"""The first page: what runs, what waits, how busy the machine is, and what to do next."""

from collections.abc import Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Reader, ServicesDep
from tunesmith.console.formats import num_bytes
from tunesmith.console.pages import page_router, render, text_in
from tunesmith.service import dataset_pages, job_views, model_pages
from tunesmith.service.access import Actor
from tunesmith.service.operating import MachineLoad, machine_load
from tunesmith.service.services import Services

router = page_router()


@router.get("/")
def home(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The first page."""
    next_step = _next_step(services, actor)
    return render(request, "home.html", actor=actor, next_step=next_step, **_now(request, actor))


@router.get("/home/now")
def now(request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The part of the first page that changes by itself."""
    return render(request, "parts/now.html", actor=actor, **_now(request, actor))


def _now(request: Request, actor: Actor) -> dict[str, Any]:
    services: Services = request.app.state.services
    jobs = job_views.list_queue(services, actor.tenant_id)
    return {"jobs": jobs, "figures": _figures(machine_load(services), text_in(request))}


def _figures(load: MachineLoad, _: Callable[[str], str]) -> Sequence[tuple[str, str, str, float]]:
    """Icon, label, value and share of what the server's machine has."""
    memory, disk = load.used_memory / load.total_memory, load.used_disk / load.total_disk
    left = num_bytes(load.total_disk - load.used_disk)
    return (
        ("cpu", _("Processor"), f"{load.busy:.0%}", load.busy),
        ("server", _("Memory"), f"{num_bytes(load.used_memory)}", memory),
        ("database", _("Free disk"), left, disk),
        ("users", _("Workers"), f"{load.num_workers}", min(load.num_workers, 1)),
    )


def _next_step(services: Services, actor: Actor) -> str | None:
    """What a newcomer does next: `data`, `train`, `chat`; None once there are several models."""
    models, has_more = model_pages.list_models(
        services, actor.tenant_id, name=None, after=None, limit=2
    )
    if len(models) > 1 or has_more:
        return None
    if models:
        return "chat"
    datasets, _ = dataset_pages.list_datasets(services, actor.tenant_id, after=None, limit=1)
    return "train" if datasets else "data"
