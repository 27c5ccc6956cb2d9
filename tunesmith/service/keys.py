"""API keys: shown once, kept as hashes, narrowed, revoked at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import AccessDenied, NotFound
from tunesmith.service.access import Actor, Permission, hash_secret, new_secret
from tunesmith.service.services import Services
from tunesmith.store.tables import Key, Person, new_id


@dataclass(frozen=True)
class KeyView:
    """A key as lists show it: never its secret."""

    id: str
    name: str
    hint: str
    email: str
    permissions: list[str] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True)
class NewKey:
    """A key just made. `secret` is shown this once."""

    secret: str
    key: KeyView


def add_key(
    services: Services,
    actor: Actor,
    *,
    name: str,
    permissions: Sequence[Permission] | None,
    days: int | None,
) -> NewKey:
    """A key of `actor`'s own, that may do what they may, or less.

    Raises:
        AccessDenied: it would have a permission that `actor` has not.
    """
    missing = [each for each in permissions or [] if not actor.may(each)]
    if missing:
        raise AccessDenied(f"you have no permission {missing[0]!r} to give to a key")
    if permissions is None:  # a key made with a narrowed key stays as narrow
        permissions = sorted(actor.permissions)
    now = services.clock()
    expires = now + timedelta(days=days) if days is not None else None
    with services.database.transaction() as db:
        secret = insert_key(
            db,
            actor.person_id,
            actor.tenant_id or None,
            name=name,
            kind="key",
            now=now,
            expires=expires,
            permissions=list(permissions),
        )
        key = db.scalars(select(Key).where(Key.secret_hash == hash_secret(secret))).one()
        return NewKey(secret, _view_key(key, actor.email))


def list_keys(services: Services, actor: Actor) -> list[KeyView]:
    """One's own keys; for who manages a tenant, all of it."""
    wanted = select(Key, Person.email).join(Person, Person.id == Key.person_id)
    wanted = wanted.where(Key.kind == "key", Key.tenant_id == (actor.tenant_id or None))
    if not actor.may(Permission.MANAGE):
        wanted = wanted.where(Key.person_id == actor.person_id)
    with services.database.reading() as db:
        rows = db.execute(wanted.order_by(Key.created_at.desc(), Key.id))
        return [_view_key(key, email) for key, email in rows]


def revoke_key(services: Services, actor: Actor, key_id: str) -> None:
    """End a key at once.

    Raises:
        NotFound: it is not among those that `actor` sees.
    """
    if key_id not in {key.id for key in list_keys(services, actor)}:
        raise NotFound(f"there is no key {key_id}")
    end_key(services, key_id)


def end_key(services: Services, key_id: str) -> None:
    """End a key or session at once."""
    with services.database.transaction() as db:
        key = db.get_one(Key, key_id)
        key.revoked_at = key.revoked_at or services.clock()


def insert_key(
    db: Session,
    person_id: str,
    tenant_id: str | None,
    *,
    name: str,
    kind: str,
    now: datetime,
    expires: datetime | None = None,
    permissions: list[str] | None = None,
) -> str:
    """Make a key or session within a transaction; return its secret."""
    secret = new_secret()
    db.add(
        Key(
            id=new_id("key"),
            kind=kind,
            secret_hash=hash_secret(secret),
            tenant_id=tenant_id,
            person_id=person_id,
            name=name,
            hint=secret[-4:],
            permissions=permissions,
            created_at=now,
            expires_at=expires,
        )
    )
    db.flush()
    return secret


def _view_key(key: Key, email: str) -> KeyView:
    return KeyView(
        id=key.id,
        name=key.name,
        hint=key.hint,
        email=email,
        permissions=key.permissions,
        created_at=key.created_at,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
    )
