"""Who may do what. Everything not named here is refused."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from sqlalchemy import and_, select

from tunesmith.service.services import Services
from tunesmith.store.tables import Key, Member, Person, Role, Tenant

KEY_PREFIX = "ts-"


class Permission(StrEnum):
    """What a route needs. A key may be narrowed to some of them."""

    READ = "read"  # see the tenant's data, jobs, models
    ASK = "ask"  # use deployed models
    DATA = "data"  # upload, import, delete data
    RUN = "run"  # queue jobs and steer them
    MODELS = "models"  # rename, alias, delete, export models
    KEYS = "keys"  # make and revoke one's own keys
    MANAGE = "manage"  # members, channels, everybody's keys, the audit log
    OPERATE = "operate"  # run the installation: tenants, people, pools, workers


_VIEWER = frozenset({Permission.READ, Permission.ASK})
_MEMBER = _VIEWER | {Permission.DATA, Permission.RUN, Permission.MODELS, Permission.KEYS}
BY_ROLE: Mapping[Role, frozenset[Permission]] = {
    "viewer": _VIEWER,
    "member": _MEMBER,
    "owner": _MEMBER | {Permission.MANAGE},
}
OF_ADMINS = frozenset({Permission.OPERATE, Permission.KEYS})


@dataclass(frozen=True)
class Actor:
    """Who calls, and what they may do.

    Attributes:
        person_id: whose key or session it is.
        key_id: of that key or session.
        email: how people know them.
        tenant_id: the tenant it acts in; empty for an admin, who acts in none.
        tenant: its name.
        permissions: by role, narrowed by the key.
        by_session: whether a browser's cookie carries it, so that forged requests must be refused.
    """

    person_id: str
    key_id: str
    email: str
    tenant_id: str
    tenant: str
    permissions: frozenset[Permission]
    by_session: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether this actor has `permission`."""
        return permission in self.permissions


def new_secret() -> str:
    """A key's secret, 192 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(24)


def hash_secret(secret: str) -> str:
    """How a key is kept. It is random, so one fast hash is as safe as many slow ones.

    Looking the hash up, rather than comparing secrets, leaves no timing to measure.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


def authenticate(services: Services, secret: str, *, by_session: bool = False) -> Actor | None:
    """The actor of a key or session, None if it is unknown, revoked or expired."""
    # One query: every request asks.
    wanted = (
        select(Key, Person, Member.role, Tenant.name)
        .join(Person, Person.id == Key.person_id)
        .outerjoin(
            Member, and_(Member.tenant_id == Key.tenant_id, Member.person_id == Key.person_id)
        )
        .outerjoin(Tenant, Tenant.id == Key.tenant_id)
        .where(Key.secret_hash == hash_secret(secret))
    )
    with services.database.reading() as db:
        row = db.execute(wanted).one_or_none()
    if row is None:
        return None
    key, person, role, tenant_name = row
    role = cast("Role | None", role)  # an outer join's
    if key.revoked_at is not None or by_session != (key.kind == "session"):
        return None
    if key.expires_at is not None and key.expires_at <= services.clock():
        return None
    if key.tenant_id is not None and role is None:  # no longer in the tenant
        return None
    return Actor(
        person_id=person.id,
        key_id=key.id,
        email=person.email,
        tenant_id=key.tenant_id or "",
        tenant=tenant_name or "",
        permissions=_allowed(key, person, role),
        by_session=key.kind == "session",
    )


def _allowed(key: Key, person: Person, role: Role | None) -> frozenset[Permission]:
    if role is not None:
        allowed = BY_ROLE[role]
    else:
        allowed = OF_ADMINS if person.is_admin else frozenset[Permission]()
    if key.permissions is not None:
        allowed &= {Permission(each) for each in key.permissions}
    return allowed
