"""Logging in and out. Failed logins make the next one wait."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.errors import LoginRefused
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.keys import end_key, insert_key
from tunesmith.service.people import password_fits
from tunesmith.service.services import Services
from tunesmith.store.tables import LoginFailures, Member, Person, Tenant

FREE_FAILURES = 5  # logins that may fail in a row; each one more doubles the wait
_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=15)


def log_in(
    services: Services, *, email: str, password: str, tenant: str | None
) -> tuple[str, Actor]:
    """Begin a session in `tenant`, by default the person's first; "" is the operator's.

    Raises:
        LoginRefused: wrong e-mail, password or tenant, or too many failures; it says no more.
    """
    email = email.strip().lower()
    now = services.clock()
    _refuse_blocked(services, email, now=now)
    with services.database.reading() as db:
        person = db.scalars(select(Person).where(Person.email == email)).one_or_none()
    if not password_fits(person, password) or person is None:
        _note_failure(services, email, now=now)
        raise LoginRefused("e-mail or password are wrong", hint="try again, or ask an owner")
    with services.database.transaction() as db:
        db.execute(delete(LoginFailures).where(LoginFailures.subject == email))
        tenant_id = _tenant_of_login(db, person, tenant)
        expires = now + timedelta(hours=services.config.session_hours)
        secret = insert_key(
            db, person.id, tenant_id, name="login", kind="session", now=now, expires=expires
        )
    actor = authenticate(services, secret, by_session=True)
    assert actor is not None
    return secret, actor


def _tenant_of_login(db: Session, person: Person, tenant: str | None) -> str | None:
    if tenant == "" and person.is_admin:
        return None
    mine = (
        select(Tenant.id)
        .join(Member, Member.tenant_id == Tenant.id)
        .where(Member.person_id == person.id)
        .order_by(Member.since)
    )
    if tenant is not None:
        mine = mine.where(Tenant.name == tenant)
    tenant_id = db.scalars(mine).first()
    if tenant_id is None:
        raise LoginRefused("e-mail or password are wrong", hint="try again, or ask an owner")
    return tenant_id


def _refuse_blocked(services: Services, subject: str, *, now: datetime) -> None:
    with services.database.reading() as db:
        failures = db.get(LoginFailures, subject)
    if failures is not None and failures.blocked_until > now:
        seconds = (failures.blocked_until - now).total_seconds()
        raise LoginRefused(f"too many failed logins; wait {seconds:.0f} s", hint="then try again")


def _note_failure(services: Services, subject: str, *, now: datetime) -> None:
    with services.database.transaction() as db:
        failures = db.get(LoginFailures, subject)
        if failures is None:
            failures = LoginFailures(subject=subject, count=0, blocked_until=now)
            db.add(failures)
        failures.count += 1
        beyond = failures.count - FREE_FAILURES
        if beyond >= 0:
            failures.blocked_until = now + min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(beyond, 10))


def log_out(services: Services, actor: Actor) -> None:
    """End the session that `actor` calls by."""
    end_key(services, actor.key_id)
