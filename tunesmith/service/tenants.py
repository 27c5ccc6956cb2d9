"""Tenants: what one sees of itself, and what the operator makes of them."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, InUse, NotFound
from tunesmith.schema import check_name
from tunesmith.service import people
from tunesmith.service.services import Services
from tunesmith.store.pages import read_page
from tunesmith.store.tables import ACTIVE, Audit, File, Job, Member, Model, Table, Tenant


@dataclass(frozen=True)
class TenantView:
    """A tenant, what it may have, and what it has. A quota of None is no limit.

    Attributes:
        id: of the tenant.
        name: its name.
        created_at: since when it exists.
        max_running: jobs at work at the same time.
        max_queued: jobs that wait.
        max_bytes: bytes of uploaded files.
        num_running: jobs at work now.
        num_queued: jobs that wait now.
        num_bytes: bytes of uploaded files now.
        num_members: people in it.
        num_models: registered model versions.
    """

    id: str
    name: str
    created_at: datetime
    max_running: int | None
    max_queued: int | None
    max_bytes: int | None
    num_running: int
    num_queued: int
    num_bytes: int
    num_members: int
    num_models: int


def get_tenant(services: Services, tenant_id: str) -> TenantView:
    """A tenant with its quotas and what it uses of them.

    Raises:
        NotFound: there is no such tenant.
    """
    with services.database.reading() as db:
        return _view(services, db, _find(db, tenant_id))


def list_tenants(
    services: Services, *, after: str | None, limit: int
) -> tuple[list[TenantView], bool]:
    """A page of all tenants, oldest first; `after` is the last id seen.

    Raises:
        NotFound: there is no tenant `after`.
    """
    wanted = select(Tenant)
    with services.database.reading() as db:
        last = _find(db, after) if after is not None else None
        by = (Tenant.created_at, Tenant.id)
        rows, has_more = read_page(db, wanted, by=by, after=last, limit=limit, newest_first=False)
        return [_view(services, db, row) for row in rows], has_more


def _find(db: Session, tenant_id: str) -> Tenant:
    tenant = db.get(Tenant, tenant_id)
    if tenant is None:
        raise NotFound(f"there is no tenant {tenant_id}")
    return tenant


def _view(services: Services, db: Session, tenant: Tenant) -> TenantView:
    def count(table: Any, *conditions: Any) -> int:
        own = select(func.count()).select_from(table).where(table.tenant_id == tenant.id)
        return db.scalars(own.where(*conditions)).one()

    held = select(func.coalesce(func.sum(File.num_bytes), 0)).where(File.tenant_id == tenant.id)
    queued = tenant.max_queued
    return TenantView(
        id=tenant.id,
        name=tenant.name,
        created_at=tenant.created_at,
        max_running=tenant.max_running,
        max_queued=services.config.max_queued if queued is None else queued,
        max_bytes=tenant.max_bytes,
        num_running=count(Job, Job.status.in_(ACTIVE)),
        num_queued=count(Job, Job.status == "queued"),
        num_bytes=int(db.scalars(held).one()),
        num_members=count(Member),
        num_models=count(Model),
    )


# --- the operator's --------------------------------------------------------------------------


def add_tenant(
    services: Services, name: str, *, owner: str, password: str | None, quotas: Mapping[str, Any]
) -> TenantView:
    """Make a tenant and its first owner; `password` is needed for who is not known here yet.

    Raises:
        NameInvalid: name, e-mail or password break the rules.
        NotFound: nobody has the owner's e-mail and no password was given.
        Conflict: there is a tenant of that name.
    """
    now = services.clock()
    with services.database.transaction() as db:
        tenant = people.add_tenant(db, name, now=now)
        person = people.find_or_add(db, owner, password, now=now)
        db.add(Member(tenant_id=tenant.id, person_id=person.id, role="owner", since=now))
        _apply(tenant, quotas)
        db.flush()
        return _view(services, db, tenant)


def change_tenant(
    services: Services, tenant_id: str, *, name: str | None = None, quotas: Mapping[str, Any]
) -> TenantView:
    """Give a tenant another name, and the quotas that are named; the others stay.

    Raises:
        NotFound: there is no such tenant.
        NameInvalid: the name breaks the rules.
        Conflict: another tenant has it.
    """
    with services.database.transaction() as db:
        tenant = _find(db, tenant_id)
        if name is not None and name != tenant.name:
            check_name(name)
            if db.scalars(select(Tenant).where(Tenant.name == name)).first() is not None:
                raise Conflict(f"there is a tenant {name!r} already", hint="choose another name")
            tenant.name = name
        _apply(tenant, quotas)
        db.flush()
        return _view(services, db, tenant)


def _apply(tenant: Tenant, quotas: Mapping[str, Any]) -> None:
    for quota, value in quotas.items():
        setattr(tenant, quota, value)


def delete_tenant(services: Services, tenant_id: str) -> None:
    """Delete a tenant with everything in it but its lines in the audit log.

    Raises:
        NotFound: there is no such tenant.
        InUse: jobs of it are at work.
    """
    with services.database.transaction() as db:
        tenant = _find(db, tenant_id)
        active = select(Job.id).where(Job.tenant_id == tenant_id, Job.status.in_(ACTIVE))
        at_work = db.scalars(active).first()
        if at_work is not None:
            raise InUse(f"job {at_work} of tenant {tenant.name} is at work", hint="cancel it first")
        _delete_rows(db, tenant_id)
        db.delete(tenant)
    shutil.rmtree(services.home(tenant_id).folder, ignore_errors=True)


def _delete_rows(db: Session, tenant_id: str) -> None:
    """Every row that is the tenant's or its jobs', what points to others first."""
    jobs = select(Job.id).where(Job.tenant_id == tenant_id)
    for table in reversed(Table.metadata.sorted_tables):
        if table.name == Audit.__tablename__:
            continue
        if "tenant_id" in table.c:
            db.execute(delete(table).where(table.c.tenant_id == tenant_id))
        elif "job_id" in table.c:
            db.execute(delete(table).where(table.c.job_id.in_(jobs)))
