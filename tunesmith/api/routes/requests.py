"""The log of requests to models."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from tunesmith.api.access import Manager, Reader, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.schema import Strict, setting
from tunesmith.service import request_log
from tunesmith.service.request_log import LogSettings, RequestView

router = APIRouter(tags=["requests"])


class LogChange(Strict):
    """How the log is kept from now on; what is left out stays."""

    redacts_texts: bool | None = setting(None, "keep prompts and answers out of it")
    days: int | None = setting(None, "how long lines are kept", unit="days", ge=1, le=3650)


@router.get("/requests")
def list_requests(
    actor: Reader,
    services: ServicesDep,
    model: Annotated[str | None, Query(description="what answered", max_length=300)] = None,
    deployment: Annotated[str | None, Query(description="its id", max_length=200)] = None,
    failed: Annotated[bool | None, Query(description="only failed ones, or only others")] = None,
    since: Annotated[datetime | None, Query(description="with its zone")] = None,
    after: After = None,
    limit: Limit = 20,
) -> Page[RequestView]:
    """What was asked of models, newest first."""
    data, has_more = request_log.list_requests(
        services,
        actor.tenant_id,
        model=model,
        deployment_id=deployment,
        failed=failed,
        since=since,
        after=after,
        limit=limit,
    )
    return Page(data=data, has_more=has_more)


@router.get("/requests/{request_id}")
def get_request(request_id: str, actor: Reader, services: ServicesDep) -> RequestView:
    """A request and its answer."""
    return request_log.get_request(services, actor.tenant_id, request_id)


@router.get("/request-log")
def get_log_settings(actor: Reader, services: ServicesDep) -> LogSettings:
    """How the tenant's log is kept."""
    return request_log.log_settings(services, actor.tenant_id)


@router.patch("/request-log")
def change_log_settings(body: LogChange, actor: Manager, services: ServicesDep) -> LogSettings:
    """Keep texts out of the log or not, and lines for so long."""
    return request_log.change_log_settings(
        services, actor.tenant_id, redacts_texts=body.redacts_texts, days=body.days
    )
