"""People, and the tenants they are in: the first owner, members."""

import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tunesmith.artifacts import write_durably
from tunesmith.errors import AccessDenied, Conflict, NameInvalid, NotFound
from tunesmith.schema import check_name
from tunesmith.service.access import new_secret
from tunesmith.service.keys import insert_key
from tunesmith.service.services import Services
from tunesmith.store.home import Home
from tunesmith.store.tables import Key, Member, Person, Role, Tenant, new_id

MIN_PASSWORD_CHARACTERS = 10

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")

_passwords = PasswordHasher()
NO_PASSWORD = ""  # a hash that no password has


# Checked when nobody has the e-mail, so that an answer takes as long as for somebody who exists.
@cache
def _nobody() -> str:
    return _passwords.hash("nobody has this password")


def password_fits(person: Person | None, password: str) -> bool:
    """Whether it is the person's password; False, as slowly, for nobody."""
    try:
        return _passwords.verify(person.password_hash if person else _nobody(), password)
    except (VerificationError, InvalidHashError):
        return False


# --- the first owner -------------------------------------------------------------------------


def setup_secret_file(installation: Home) -> Path:
    """Where the one-time secret of a fresh installation lies."""
    return installation.folder / "setup-secret"


def ensure_setup_secret(services: Services) -> str | None:
    """The one-time secret with which the first owner is made; None once there are people.

    It is kept in a file that only the installation's own user can read.
    """
    with services.database.reading() as db:
        if db.scalars(select(Person.id).limit(1)).first() is not None:
            return None
    path = setup_secret_file(services.installation)
    if not path.exists():
        write_durably(path, new_secret(), mode=0o600)
    return path.read_text("utf-8")


@dataclass(frozen=True)
class Founded:
    """The first owner's keys, shown this once: of the tenant, and of the operator."""

    tenant: str
    key: str
    admin_key: str


def found(services: Services, *, secret: str, email: str, password: str, tenant: str) -> Founded:
    """Make the first person: operator of the installation and owner of its first tenant.

    Raises:
        AccessDenied: the secret is wrong, or was used.
        NameInvalid: e-mail, password or tenant's name break the rules.
    """
    expected = ensure_setup_secret(services)
    if expected is None or not hmac.compare_digest(secret.encode(), expected.encode()):
        raise AccessDenied(
            "the setup secret is wrong or was used", hint="it is in the file setup-secret"
        )
    now = services.clock()
    with services.database.transaction() as db:
        if db.scalars(select(Person.id).limit(1)).first() is not None:
            raise AccessDenied("the setup secret was used", hint="log in instead")
        person = _add_person(db, email, password, is_admin=True, now=now)
        made = add_tenant(db, tenant, now=now)
        db.add(Member(tenant_id=made.id, person_id=person.id, role="owner", since=now))
        db.flush()
        key = insert_key(db, person.id, made.id, name="setup", kind="key", now=now)
        admin_key = insert_key(db, person.id, None, name="setup", kind="key", now=now)
    setup_secret_file(services.installation).unlink(missing_ok=True)
    return Founded(tenant=tenant, key=key, admin_key=admin_key)


def add_tenant(db: Session, name: str, *, now: datetime) -> Tenant:
    """A new tenant.

    Raises:
        NameInvalid: the name breaks the rules.
        Conflict: there is one of that name.
    """
    check_name(name)
    if db.scalars(select(Tenant).where(Tenant.name == name)).first() is not None:
        raise Conflict(f"there is a tenant {name!r} already", hint="choose another name")
    turn = db.scalars(select(func.coalesce(func.max(Tenant.last_turn), 0))).one()
    tenant = Tenant(id=new_id("tenant"), name=name, created_at=now, last_turn=turn)
    db.add(tenant)
    db.flush()
    return tenant


def _add_person(db: Session, email: str, password: str, *, is_admin: bool, now: datetime) -> Person:
    email = _checked_email(email)
    hashed = hash_password(password)
    if db.scalars(select(Person).where(Person.email == email)).first() is not None:
        raise Conflict(f"there is somebody with the e-mail {email} already")
    person = Person(
        id=new_id("person"), email=email, password_hash=hashed, is_admin=is_admin, created_at=now
    )
    db.add(person)
    db.flush()
    return person


def hash_password(password: str) -> str:
    """How a password is kept.

    Raises:
        NameInvalid: it is too short.
    """
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise NameInvalid(
            f"the password has {len(password)} characters", hint=f"use {MIN_PASSWORD_CHARACTERS}"
        )
    return _passwords.hash(password)


def find_or_add(db: Session, email: str, password: str | None, *, now: datetime) -> Person:
    """Whoever has an e-mail; somebody new where a first password is given.

    Raises:
        NotFound: nobody has that e-mail and no password was given.
        NameInvalid: e-mail or password break the rules.
    """
    known = select(Person).where(Person.email == _checked_email(email))
    person = db.scalars(known).one_or_none()
    if person is not None:
        return person
    if password is None:
        raise NotFound(f"nobody has the e-mail {email}", hint="give a first password")
    return _add_person(db, email, password, is_admin=False, now=now)


def _checked_email(email: str) -> str:
    email = email.strip().lower()
    if not (len(email) <= 254 and email.isprintable() and _EMAIL.fullmatch(email)):
        raise NameInvalid(f"{email[:60]!r} is not an e-mail address", hint="write name@host")
    return email


# --- members ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class MemberView:
    """A person in a tenant."""

    person_id: str
    email: str
    role: Role
    since: datetime


def list_members(services: Services, tenant_id: str) -> list[MemberView]:
    """Who is in a tenant, longest first."""
    members = (
        select(Member, Person.email)
        .join(Person, Person.id == Member.person_id)
        .where(Member.tenant_id == tenant_id)
        .order_by(Member.since)
    )
    with services.database.reading() as db:
        rows = db.execute(members).all()
    return [MemberView(m.person_id, email, m.role, m.since) for m, email in rows]


def add_member(
    services: Services, tenant_id: str, *, email: str, role: Role, password: str | None
) -> MemberView:
    """Take somebody into a tenant; `password` is needed for who is not known here yet.

    Raises:
        NotFound: nobody has that e-mail and no password was given.
        Conflict: they are in the tenant already.
        NameInvalid: e-mail or password break the rules.
    """
    now = services.clock()
    with services.database.transaction() as db:
        person = find_or_add(db, email, password, now=now)
        if db.get(Member, (tenant_id, person.id)) is not None:
            raise Conflict(f"{email} is in the tenant already", hint="change the role instead")
        db.add(Member(tenant_id=tenant_id, person_id=person.id, role=role, since=now))
        return MemberView(person.id, person.email, role, now)


def change_member(services: Services, tenant_id: str, person_id: str, *, role: Role | None) -> None:
    """Give a member another role, or None: out of the tenant, with all keys of theirs in it.

    Raises:
        NotFound: no such member.
        Conflict: the tenant would have no owner left.
    """
    with services.database.transaction() as db:
        member = db.get(Member, (tenant_id, person_id))
        if member is None:
            raise NotFound(f"there is no member {person_id}")
        if role != "owner":
            keep_an_owner(db, member)
        if role is not None:
            member.role = role
            return
        db.delete(member)
        mine = select(Key).where(Key.tenant_id == tenant_id, Key.person_id == person_id)
        for key in db.scalars(mine):
            key.revoked_at = key.revoked_at or services.clock()


def keep_an_owner(db: Session, member: Member) -> None:
    """Refuse to let a tenant's only owner go.

    Raises:
        Conflict: `member` is that.
    """
    owners = select(func.count()).where(
        Member.tenant_id == member.tenant_id, Member.role == "owner"
    )
    if member.role == "owner" and db.scalars(owners).one() == 1:
        raise Conflict("a tenant needs an owner", hint="make somebody else owner first")


def change_password(services: Services, person_id: str, *, old: str, new: str) -> None:
    """Give oneself another password.

    Raises:
        AccessDenied: the old one is wrong.
        NameInvalid: the new one breaks the rules.
    """
    with services.database.reading() as db:
        person = db.get_one(Person, person_id)
    if not password_fits(person, old):
        raise AccessDenied("the old password is wrong")
    hashed = hash_password(new)
    with services.database.transaction() as db:
        db.get_one(Person, person_id).password_hash = hashed
