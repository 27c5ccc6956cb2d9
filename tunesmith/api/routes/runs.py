"""Runs: what training says while it goes on, and what came of it."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from fastapi.responses import StreamingResponse

from tunesmith.api.access import Reader, ServicesDep
from tunesmith.api.streaming import stream
from tunesmith.service import jobs
from tunesmith.service.streams import Position, read_news

router = APIRouter(tags=["runs"], prefix="/runs")


@router.get("/{run_id}/events", response_class=StreamingResponse)
def stream_events(
    run_id: str,
    request: Request,
    actor: Reader,
    services: ServicesDep,
    last_event_id: Annotated[str | None, Header(max_length=40)] = None,
) -> StreamingResponse:
    """Server-sent events of a run; with Last-Event-ID, those that follow it."""
    jobs.get_job(services, actor.tenant_id, run_id)
    return stream(
        request,
        lambda position: read_news(services, actor.tenant_id, run_id, after=position),
        after=Position.parse(last_event_id),
    )
