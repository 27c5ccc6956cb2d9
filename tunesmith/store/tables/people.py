"""People: who they are, what they are told, what they write."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import BigInteger, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tunesmith.store.tables.base import Table

Role: TypeAlias = Literal["viewer", "member", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "member", "owner")


# --- who -----------------------------------------------------------------------------------------


class Tenant(Table):
    """An isolated workspace. A quota of None is no limit."""

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    max_running: Mapped[int | None]
    max_queued: Mapped[int | None]
    max_bytes: Mapped[int | None] = mapped_column(BigInteger)
    # Counts its turns: the tenant that was served longest ago comes first among equals.
    last_turn: Mapped[int] = mapped_column(default=0)
    # Of requests to models: whether their texts are kept out of the log, and how long it is kept.
    redacts_log: Mapped[bool] = mapped_column(default=False)
    log_days: Mapped[int] = mapped_column(default=30)


class Person(Table):
    """Somebody who can log in. An admin runs the installation and is in no tenant."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    is_admin: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]
    language: Mapped[str] = mapped_column(default="en")


class Member(Table):
    """A person in a tenant."""

    __tablename__ = "members"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    role: Mapped[Role] = mapped_column(String)
    since: Mapped[datetime]


class Key(Table):
    """A credential: an API key (shown once, kept as a hash) or the session of a login.

    `tenant_id` is None for admins. `permissions` narrows what its person may do; None does not.
    """

    __tablename__ = "keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]  # "key" or "session"
    secret_hash: Mapped[str] = mapped_column(unique=True)
    tenant_id: Mapped[str | None] = mapped_column(ForeignKey("tenants.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str]
    hint: Mapped[str]  # its last four characters, to tell keys apart
    permissions: Mapped[list[str] | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class LoginFailures(Table):
    """Failed logins in a row, by whom they name."""

    __tablename__ = "login_failures"

    subject: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    blocked_until: Mapped[datetime]


class Audit(Table):
    """Who did what. Each row holds the hash of the one before it, so a missing row is noticed."""

    __tablename__ = "audit"

    seq: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime]
    tenant_id: Mapped[str | None] = mapped_column(index=True)
    actor: Mapped[str]
    action: Mapped[str]
    target: Mapped[str]
    request_id: Mapped[str]
    hash: Mapped[str]


# --- what they are told --------------------------------------------------------------------------


class Channel(Table):
    """Where a tenant's messages go; `url` holds secrets and is never shown.

    One that `hears_all` hears of every training queued from then on, and of deployments.
    """

    __tablename__ = "channels"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    url: Mapped[str]
    created_at: Mapped[datetime]
    hears_all: Mapped[bool] = mapped_column(default=False)


class Subscription(Table):
    """A channel hears of a job."""

    __tablename__ = "subscriptions"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    channel_id: Mapped[str] = mapped_column(ForeignKey("channels.id"), primary_key=True)


class OutboxMessage(Table):
    """An event to tell, written in the transaction in which it happens.

    `id` names event and channel and stays over attempts, so whoever hears it twice can tell.
    Until `not_before` it is in a dispatcher's hands, or rests after a failure.
    """

    __tablename__ = "outbox"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    channel_id: Mapped[str] = mapped_column(ForeignKey("channels.id"))
    event: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime]
    sent_at: Mapped[datetime | None] = mapped_column(index=True)
    given_up_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(default="")


# --- what they write -----------------------------------------------------------------------------


class Entry(Table):
    """Something of a tenant's library, such as a character or a prompt; `version` is its newest."""

    __tablename__ = "entries"
    __table_args__ = (UniqueConstraint("tenant_id", "kind", "name"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    version: Mapped[int]


class EntryVersion(Table):
    """What an entry was from one edit to the next; never changed."""

    __tablename__ = "entry_versions"

    entry_id: Mapped[str] = mapped_column(ForeignKey("entries.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    content: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class Transcript(Table):
    """A chat that a person has kept: `content` is its messages and how it was sampled."""

    __tablename__ = "transcripts"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    title: Mapped[str]
    model: Mapped[str]
    character: Mapped[str | None]  # NAME@VERSION
    content: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class Recipe(Table):
    """A recipe that a tenant keeps by name, to train with again."""

    __tablename__ = "recipes"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    recipe: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    saved_at: Mapped[datetime]
