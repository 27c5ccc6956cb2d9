"""The log of who changed what: a tenant's for its owners, all of it for the operator."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from tunesmith.api.access import Manager, Operator, ServicesDep
from tunesmith.console.pages import page_router, render
from tunesmith.service import audit
from tunesmith.service.access import Actor
from tunesmith.service.services import Services

router = page_router()

_LINES_A_PAGE = 50

Before = Annotated[int | None, Query(ge=1, le=2**53)]


@router.get("/settings/audit")
def list_audit(
    request: Request, actor: Manager, services: ServicesDep, before: Before = None
) -> HTMLResponse:
    """Who changed what in the tenant."""
    return _log(request, services, actor, tenant_id=actor.tenant_id, before=before)


@router.get("/settings/audit/verification")
def verify_audit(request: Request, actor: Manager, services: ServicesDep) -> HTMLResponse:
    """Whether the log is as it was written, as a part."""
    return _verification(request, services, actor)


@router.get("/settings/log")
def list_log(
    request: Request, actor: Operator, services: ServicesDep, before: Before = None
) -> HTMLResponse:
    """Who changed what, in all tenants and beside them."""
    return _log(request, services, actor, tenant_id=None, before=before)


@router.get("/settings/log/verification")
def verify_log(request: Request, actor: Operator, services: ServicesDep) -> HTMLResponse:
    """Whether the log is as it was written, as a part."""
    return _verification(request, services, actor)


def _log(
    request: Request,
    services: Services,
    actor: Actor,
    *,
    tenant_id: str | None,
    before: int | None,
) -> HTMLResponse:
    lines, has_more = audit.list_calls(services, tenant_id, before=before, limit=_LINES_A_PAGE)
    return render(request, "settings/audit.html", actor=actor, lines=lines, has_more=has_more)


def _verification(request: Request, services: Services, actor: Actor) -> HTMLResponse:
    found = audit.verify_log(services)
    return render(request, "parts/audit_verification.html", actor=actor, found=found)
