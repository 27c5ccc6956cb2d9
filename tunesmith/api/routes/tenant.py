"""One's own tenant: settings, members, what its jobs cost, who did what."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tunesmith.api.access import Manager, Reader, ServicesDep
from tunesmith.api.paging import After, Limit, Page
from tunesmith.schema import Name, Strict, setting
from tunesmith.service import audit, people, tenants, usage
from tunesmith.service.audit import AuditView, Verification
from tunesmith.service.job_views import JobView
from tunesmith.service.people import MemberView
from tunesmith.service.tenants import TenantView
from tunesmith.service.usage import MonthlyUsage
from tunesmith.store.tables import Role

router = APIRouter(tags=["tenant"])


class TenantName(Strict):
    """What to change of a tenant."""

    name: Name = setting(..., "the tenant's new name")


class NewMember(Strict):
    """Who comes into the tenant, and as what."""

    email: str = setting(..., "their e-mail", min_length=3, max_length=254)
    role: Role = setting("member", "viewer sees, member works, owner also manages")
    password: str | None = setting(
        None, "a first password, for who has none here yet", max_length=1000
    )


class MemberChange(Strict):
    """What to change of a member."""

    role: Role = setting(..., "viewer sees, member works, owner also manages")


Month = Annotated[str, Path(description="YYYY-MM", pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]


@router.get("/tenant")
def get_tenant(actor: Reader, services: ServicesDep) -> TenantView:
    """The tenant, its quotas, and what it uses of them."""
    return tenants.get_tenant(services, actor.tenant_id)


@router.patch("/tenant")
def rename_tenant(body: TenantName, actor: Manager, services: ServicesDep) -> TenantView:
    """Give the tenant another name. Quotas are the operator's."""
    return tenants.change_tenant(services, actor.tenant_id, name=body.name, quotas={})


@router.get("/members")
def list_members(actor: Reader, services: ServicesDep) -> Page[MemberView]:
    """Who is in the tenant, longest first."""
    return Page(data=people.list_members(services, actor.tenant_id))


@router.post("/members", status_code=201)
def add_member(body: NewMember, actor: Manager, services: ServicesDep) -> MemberView:
    """Take somebody into the tenant."""
    return people.add_member(
        services, actor.tenant_id, email=body.email, role=body.role, password=body.password
    )


@router.patch("/members/{person_id}", status_code=204)
def change_member(
    person_id: str, body: MemberChange, actor: Manager, services: ServicesDep
) -> None:
    """Give a member another role."""
    people.change_member(services, actor.tenant_id, person_id, role=body.role)


@router.delete("/members/{person_id}", status_code=204)
def remove_member(person_id: str, actor: Manager, services: ServicesDep) -> None:
    """Take a member out of the tenant; their keys in it end at once."""
    people.change_member(services, actor.tenant_id, person_id, role=None)


@router.get("/usage")
def list_usage(actor: Reader, services: ServicesDep) -> Page[MonthlyUsage]:
    """Time and cost of the tenant's jobs, month by month and pool by pool."""
    return Page(data=usage.list_months(services, actor.tenant_id))


@router.get("/usage/{month}")
def list_usage_of_month(
    month: Month,
    actor: Reader,
    services: ServicesDep,
    after: After = None,
    limit: Limit = 20,
) -> Page[JobView]:
    """The jobs of a month, each with its cost; deleted ones too."""
    data, has_more = usage.list_jobs_of_month(
        services, actor.tenant_id, month, after=after, limit=limit
    )
    return Page(data=data, has_more=has_more)


@router.get("/audit")
def list_audit(
    actor: Manager,
    services: ServicesDep,
    before: Annotated[
        int | None, Query(description="the last number of the page before", ge=1, le=2**53)
    ] = None,
    limit: Limit = 20,
) -> Page[AuditView]:
    """Who changed what in the tenant, newest first."""
    data, has_more = audit.list_calls(services, actor.tenant_id, before=before, limit=limit)
    return Page(data=data, has_more=has_more)


@router.get("/audit/verification")
def verify_audit(actor: Manager, services: ServicesDep) -> Verification:
    """Whether lines of the log were changed or taken out since they were written."""
    return audit.verify_log(services)
