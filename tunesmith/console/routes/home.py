"""The first page: what runs, what waits, how busy the machine is, and what to do next."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Reader, ServicesDep
from tunesmith.console.formats import num_bytes
from tunesmith.console.pages import page_router, render, text_in
from tunesmith.service import dataset_pages, job_views, jobs, model_pages, run_pages
from tunesmith.service.access import Actor
from tunesmith.service.jobs import JobFilter
from tunesmith.service.operating import MachineLoad, machine_load
from tunesmith.service.services import Services
from tunesmith.store.tables import ACTIVE

router = page_router()

_LATEST = 5
_WAITING = 10
_FIRST_PRESET = "fast"  # a newcomer wants to see a result


@dataclass(frozen=True)
class NextStep:
    """What a newcomer does next: `data`, `train`, `wait` or `chat`, and where."""

    name: str
    address: str


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
    latest, _ = run_pages.list_runs(
        services, actor.tenant_id, matching=JobFilter(kinds=["train"]), after=None, limit=_LATEST
    )
    queue, more_wait = job_views.list_queue(services, actor.tenant_id, most_waiting=_WAITING)
    return {
        "jobs": queue,
        "more_wait": more_wait,
        "figures": _figures(machine_load(services), text_in(request)),
        "runs": latest,
        "counts": run_pages.count_runs(services, actor.tenant_id),
    }


def _figures(load: MachineLoad, _: Callable[[str], str]) -> Sequence[tuple[str, str, str, float]]:
    """Icon, label, value and share of what the server's machine has."""
    memory, disk = load.used_memory / load.total_memory, load.used_disk / load.total_disk
    left = num_bytes(load.total_disk - load.used_disk)
    return (
        ("cpu", _("Processor"), f"{load.busy:.0%}", load.busy),
        ("server", _("Memory"), f"{num_bytes(load.used_memory)}", memory),
        ("database", _("Free disk"), left, disk),
        ("users", _("Workers"), f"{load.num_workers}", min(load.num_workers, 1)),
        *(
            (
                "device-desktop-analytics",
                gpu.name,
                f"{gpu.busy:.0%} · {num_bytes(gpu.used_memory)} / {num_bytes(gpu.total_memory)}",
                gpu.busy,
            )
            for gpu in load.gpus
        ),
    )


def _next_step(services: Services, actor: Actor) -> NextStep | None:
    """What a newcomer does next; None once there are several models."""
    tenant = actor.tenant_id
    models, has_more = model_pages.list_models(services, tenant, name=None, after=None, limit=2)
    if len(models) > 1 or has_more:
        return None
    if models:
        asked = (f"{models[0].name}@{models[0].version}", models[0].base)
        return NextStep("chat", "/chat?" + urlencode([("model", each) for each in asked]))
    training = JobFilter(kinds=["train"], statuses=["queued", *ACTIVE])
    at_work, _ = jobs.list_jobs(services, tenant, matching=training, limit=1)
    if at_work:
        return NextStep("wait", f"/runs/{at_work[0].id}")
    datasets, _ = dataset_pages.list_datasets(services, tenant, after=None, limit=1)
    if datasets:
        filled = {"data": datasets[0].name, "preset": _FIRST_PRESET}
        return NextStep("train", f"/train?{urlencode(filled)}")
    return NextStep("data", "/datasets/new")
