"""A run: its curves as they grow, what steers it, and what came of it."""

from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import Form, Request, Response
from fastapi.responses import HTMLResponse

from tunesmith.api.access import ModelEditor, Reader, Runner, ServicesDep
from tunesmith.api.routes.runs import StepNumber
from tunesmith.console.pages import go, notice, page_router, render, text_in
from tunesmith.console.words import word
from tunesmith.schema import MAX_NAME_CHARACTERS
from tunesmith.service import channels, jobs, promotion, run_pages, subscriptions
from tunesmith.service.access import Actor
from tunesmith.service.checkpoints import list_checkpoints, pin_checkpoint
from tunesmith.service.job_requests import ExtendRequest
from tunesmith.service.run_pages import RunOutline
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job
from tunesmith.store.tables import TERMINAL

router = page_router()


@router.get("/runs/{run_id}")
def run_page(run_id: str, request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """The page of a run; its curves and events come to it as a stream."""
    return render(
        request,
        "runs/run.html",
        actor=actor,
        recipe=run_pages.recipe_yaml(services, actor.tenant_id, run_id),
        checkpoints=list_checkpoints(services, actor.tenant_id, run_id),
        channels=channels.list_channels(services, actor.tenant_id),
        subscribed=subscriptions.list_subscribed(services, actor.tenant_id, run_id),
        texts=_texts(text_in(request)),
        **_head(services, actor, run_id),
    )


@router.get("/runs/{run_id}/head")
def head(run_id: str, request: Request, actor: Reader, services: ServicesDep) -> HTMLResponse:
    """State, buttons and what went wrong."""
    return _head_part(request, services, actor, run_id)


def _head_part(request: Request, services: Services, actor: Actor, run_id: str) -> HTMLResponse:
    return render(request, "runs/head.html", actor=actor, **_head(services, actor, run_id))


def _head(services: Services, actor: Actor, run_id: str) -> dict[str, Any]:
    detail = run_pages.outline_run(services, actor.tenant_id, run_id)
    return {
        "detail": detail,
        "job": detail.run.job,
        "ended": detail.run.job.status in TERMINAL,
        "again": _again(detail),
    }


def _again(detail: RunOutline) -> str:
    """The address of the form filled with this recipe and the changes that are suggested."""
    changes = [("set", f"{path}={value}") for path, value in detail.changes.items()]
    return "/train?" + urlencode([("run", detail.run.job.id), *changes])


@router.get("/runs/{run_id}/checkpoints")
def checkpoints(
    run_id: str, request: Request, actor: Reader, services: ServicesDep
) -> HTMLResponse:
    """The checkpoints that there are now."""
    return render(
        request,
        "runs/checkpoints.html",
        actor=actor,
        checkpoints=list_checkpoints(services, actor.tenant_id, run_id),
        job=jobs.get_job(services, actor.tenant_id, run_id),
    )


@router.post("/runs/{run_id}/checkpoints/{step}/pin")
def pin(
    run_id: str, step: StepNumber, request: Request, actor: Runner, services: ServicesDep
) -> HTMLResponse:
    """Keep a checkpoint whatever the recipe says."""
    pin_checkpoint(services, actor.tenant_id, run_id, step, pinned=True)
    return checkpoints(run_id, request, actor, services)


@router.delete("/runs/{run_id}/checkpoints/{step}/pin")
def unpin(
    run_id: str, step: StepNumber, request: Request, actor: Runner, services: ServicesDep
) -> HTMLResponse:
    """Keep it only as long as the recipe says."""
    pin_checkpoint(services, actor.tenant_id, run_id, step, pinned=False)
    return checkpoints(run_id, request, actor, services)


@router.post("/runs/{run_id}/checkpoints/{step}/register")
def register(
    run_id: str, step: StepNumber, request: Request, actor: ModelEditor, services: ServicesDep
) -> Response:
    """Make a checkpoint the next version of the run's model, and go to it."""
    model = promotion.register_checkpoint(services, actor, run_id, step)
    return go(request, f"/models/{model.id}")


@router.post("/runs/{run_id}/checkpoints/{step}/chat")
def chat_with_checkpoint(
    run_id: str, step: StepNumber, request: Request, actor: ModelEditor, services: ServicesDep
) -> Response:
    """Chat with a checkpoint, as the version of the run's model that it becomes or is."""
    model = promotion.find_registered(services, actor.tenant_id, run_id, step)
    model = model or promotion.register_checkpoint(services, actor, run_id, step)
    return go(request, f"/chat?model={quote(model.id)}")


@router.post("/runs/{run_id}/name")
def rename(
    run_id: str,
    request: Request,
    actor: Runner,
    services: ServicesDep,
    name: Annotated[str, Form(max_length=MAX_NAME_CHARACTERS)],
) -> Response:
    """Call it otherwise."""
    run_pages.rename_run(services, actor.tenant_id, run_id, name)
    return go(request, f"/runs/{run_id}")


@router.post("/runs/{run_id}/pause")
def pause(run_id: str, request: Request, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """Save a checkpoint and free the machine."""
    jobs.pause_job(services, actor.tenant_id, run_id)
    return _head_part(request, services, actor, run_id)


@router.post("/runs/{run_id}/resume")
def resume(run_id: str, request: Request, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """Queue it again; it goes on to the same bits."""
    jobs.resume_job(services, actor.tenant_id, run_id)
    return _head_part(request, services, actor, run_id)


@router.post("/runs/{run_id}/cancel")
def cancel(run_id: str, request: Request, actor: Runner, services: ServicesDep) -> HTMLResponse:
    """End it."""
    jobs.cancel_job(services, actor.tenant_id, run_id)
    return _head_part(request, services, actor, run_id)


@router.post("/runs/{run_id}/extend")
def extend(
    run_id: str,
    request: Request,
    actor: Runner,
    services: ServicesDep,
    epochs: Annotated[int, Form(ge=1, le=50)],
) -> Response:
    """Train it for more epochs, as a new run."""
    extended = submit_job(services, ExtendRequest(run=run_id, epochs=epochs), actor=actor)
    return go(request, f"/runs/{extended.id}")


@router.delete("/runs/{run_id}")
def delete(run_id: str, request: Request, actor: Runner, services: ServicesDep) -> Response:
    """Delete its files; what it cost stays on record."""
    run_pages.delete_run(services, actor.tenant_id, run_id)
    return go(request, "/runs")


@router.post("/runs/{run_id}/channels")
def choose_channels(
    run_id: str,
    request: Request,
    actor: Runner,
    services: ServicesDep,
    channel: Annotated[list[str], Form(max_length=20)] = [],  # noqa: B006  (FastAPI copies it)
) -> HTMLResponse:
    """Who hears of the run from now on: exactly these channels."""
    before = set(subscriptions.list_subscribed(services, actor.tenant_id, run_id))
    for added in set(channel) - before:
        subscriptions.subscribe(services, actor.tenant_id, run_id, added)
    for removed in before - set(channel):
        subscriptions.unsubscribe(services, actor.tenant_id, run_id, removed)
    _ = text_in(request)
    return notice(request, _("Saved: these channels hear of this run."))


def _texts(_: Callable[[str], str]) -> dict[str, str]:
    """What the page's script shows, in the visitor's language."""
    words = ("queued", "starting", "running", "pausing", "paused", "succeeded", "failed",
             "cancelled", "loading", "tokenizing", "saving", "fetching")  # fmt: skip
    return {
        **{each: _(word(each)) for each in words},
        "training": _("training"),
        "loss": _("Training loss"),
        "smoothed": _("Smoothed"),
        "validation": _("Validation loss"),
        "rate": _("Learning rate"),
        "norm": _("Gradient norm"),
        "speed": _("Tokens per second"),
        "step": _("step"),
        "at_start": _("at the start"),
        "from_step": _("goes on from step"),
        "checkpoint": _("Checkpoint"),
        "warning": _("Warning"),
        "finished": _("Result saved"),
    }
