"""What must survive a restart, as tables. Every row but the installation's own has a tenant.

Ids are made here, never by users. Times are kept in UTC; nothing about the queue depends on them,
since clocks jump (`store/queue.py`).
"""

import secrets
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, TypeAlias

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    String,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

Role: TypeAlias = Literal["viewer", "member", "owner"]
ROLES: tuple[Role, ...] = ("viewer", "member", "owner")

JobStatus: TypeAlias = Literal[
    "queued",
    "starting",
    "running",
    "pausing",
    "paused",
    "succeeded",
    "failed",
    "cancelled",
]
ACTIVE: tuple[JobStatus, ...] = ("starting", "running", "pausing")
TERMINAL: tuple[JobStatus, ...] = ("succeeded", "failed", "cancelled")
Wish: TypeAlias = Literal["pause", "cancel"]
Verdict: TypeAlias = Literal["best", "tie", "none"]

DeploymentState: TypeAlias = Literal["deploying", "ready", "failed", "stopped"]
LIVE: tuple[DeploymentState, ...] = ("deploying", "ready")


def new_id(prefix: str) -> str:
    """An id that nobody can guess: 96 random bits behind a word that says what it names."""
    return f"{prefix}-{secrets.token_hex(12)}"


class UtcTime(TypeDecorator[datetime]):
    """A time with its zone, which SQLite would forget."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse times without a zone, store UTC."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without its zone")
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Table(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcTime(),
        dict[str, Any]: JSON(),
        list[str]: JSON(),
    }


# --- who -------------------------------------------------------------------------------------


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


# --- what ------------------------------------------------------------------------------------


class File(Table):
    """An uploaded file; its bytes lie in the tenant's folder under its id."""

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    filename: Mapped[str]
    purpose: Mapped[str]
    num_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    created_by: Mapped[str]


class NameRow(Table):
    """What a name of a tenant points to; see `store.home.Names`."""

    __tablename__ = "names"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    target: Mapped[str]
    since: Mapped[datetime]


class Model(Table):
    """A registered result: a version of the model `name`, made by a job."""

    __tablename__ = "models"
    __table_args__ = (UniqueConstraint("tenant_id", "name", "version"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    name: Mapped[str]
    version: Mapped[int]
    kind: Mapped[str]  # the manifest's: adapter, weights, ...
    base: Mapped[str]
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id"))
    digest: Mapped[str]
    folder: Mapped[str]  # relative to the tenant's folder
    description: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


class Alias(Table):
    """A name such as `prod` that is moved from one model to the next."""

    __tablename__ = "aliases"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))


# --- work ------------------------------------------------------------------------------------


class Job(Table):
    """A stage in the queue; `store/queue.py` says who may write what.

    Attributes:
        spec: what was asked for, as the stage's own settings.
        status: where it is in its life.
        wish: what a person asks of a job that is being worked on.
        token: grows whenever the job changes hands; a write with an older one changes nothing.
        beat: grows while its worker lives.
        furthest_step: the last step that any attempt took; a resumed one takes some again.
        losses: workers lost in a row without a step of progress.
        crashes: processes of it that were killed in a row without a step of progress.
        rank: its place among the tenant's jobs of equal priority.
        num_cores, memory_bytes, num_gpus: what it needs; None is all that a worker has.
        error: {reason, message, hint} of a failed job.
        outcome: what came out, as `outcome.json` says.
        removed_at: since when its files are gone; the row stays for what it cost.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("tenant_id", "idempotency_key"),
        Index("jobs_by_status", "status", "tenant_id"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    kind: Mapped[str]
    name: Mapped[str]
    spec: Mapped[dict[str, Any]]
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)  # metadata, notifications, ...
    status: Mapped[JobStatus] = mapped_column(String)
    wish: Mapped[Wish | None] = mapped_column(String)
    priority: Mapped[int] = mapped_column(default=0)
    rank: Mapped[int]
    pool: Mapped[str]
    num_cores: Mapped[int | None]
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    num_gpus: Mapped[int] = mapped_column(default=0)
    token: Mapped[int] = mapped_column(default=0)
    beat: Mapped[int] = mapped_column(default=0)
    losses: Mapped[int] = mapped_column(default=0)
    crashes: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str | None]
    step: Mapped[int] = mapped_column(default=0)
    furthest_step: Mapped[int] = mapped_column(default=0)
    total_steps: Mapped[int] = mapped_column(default=0)
    idempotency_key: Mapped[str | None]
    request_digest: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    error: Mapped[dict[str, Any] | None]
    outcome: Mapped[dict[str, Any] | None]
    removed_at: Mapped[datetime | None]


class JobNeed(Table):
    """`job_id` waits until `needed_id` has succeeded."""

    __tablename__ = "job_needs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    needed_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True, index=True)


class JobEvent(Table):
    """A turn in a job's life, numbered from 1 without gaps."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    time: Mapped[datetime]
    status: Mapped[str]
    message: Mapped[str]


class Attempt(Table):
    """One worker's time on a job: what it cost. `outcome` is None while it lasts."""

    __tablename__ = "attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    token: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    worker_id: Mapped[str]
    pool: Mapped[str]
    num_cores: Mapped[int]
    num_gpus: Mapped[int]
    seconds: Mapped[float] = mapped_column(default=0.0)  # as its worker measured
    outcome: Mapped[str | None]


class Worker(Table):
    """A process that takes jobs, with what it offers."""

    __tablename__ = "workers"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    pool: Mapped[str]
    num_cores: Mapped[int]
    memory_bytes: Mapped[int] = mapped_column(BigInteger)
    num_gpus: Mapped[int]
    inference_bytes: Mapped[int] = mapped_column(BigInteger, default=0)  # of them, for engines
    beat: Mapped[int] = mapped_column(default=0)
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]


class Pool(Table):
    """A named group of workers and what its time costs."""

    __tablename__ = "pools"

    name: Mapped[str] = mapped_column(primary_key=True)
    price_per_core_hour: Mapped[float] = mapped_column(default=0.0)
    price_per_gpu_hour: Mapped[float] = mapped_column(default=0.0)
    currency: Mapped[str] = mapped_column(default="")


# --- telling people --------------------------------------------------------------------------


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


# --- judging ---------------------------------------------------------------------------------


class Vote(Table):
    """Which answer a person found best, of those to one prompt of a comparison.

    `contestant` counts from 0 and is None where there is no best one: `verdict` says why.
    """

    __tablename__ = "votes"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    prompt: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"), primary_key=True)
    verdict: Mapped[Verdict] = mapped_column(String)
    contestant: Mapped[int | None]
    voted_at: Mapped[datetime]


class ChatVote(Table):
    """Which answer a person found best in a chat, of models that they did not know.

    `models` are ids of registered models and names of base models; `contestant` counts them as in
    `Vote`.
    """

    __tablename__ = "chat_votes"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id"))
    models: Mapped[list[str]]
    verdict: Mapped[Verdict] = mapped_column(String)
    contestant: Mapped[int | None]
    voted_at: Mapped[datetime]


class AliasMove(Table):
    """An alias was set, moved or removed; ids of models, None where it pointed to none."""

    __tablename__ = "alias_moves"
    __table_args__ = (Index("alias_moves_by_name", "tenant_id", "name"),)

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    from_model: Mapped[str | None]
    to_model: Mapped[str | None]
    moved_by: Mapped[str]
    moved_at: Mapped[datetime]


class Evaluation(Table):
    """What an evaluation found of a model: the figures of one row of the tenant's table."""

    __tablename__ = "evaluations"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    model: Mapped[str] = mapped_column(index=True)  # its id, RUN-ID@STEP, or a base model's name
    scores: Mapped[dict[str, Any]]
    verdict: Mapped[str] = mapped_column(default="")
    created_at: Mapped[datetime]


# --- serving ---------------------------------------------------------------------------------


class InferenceEngine(Table):
    """A process that keeps one base model in memory for all deployments that stand on it.

    Attributes:
        kind: of `serving.engines.ENGINES`.
        base: the base model's name: of the catalog, or the id of a registered model with weights.
        token: grows whenever the engine changes hands; a write with an older one changes nothing.
        beat: grows while its worker lives.
        address: where its process answers, None while it does not.
        secret: what a request to it bears.
        memory_bytes: what its process may take.
    """

    __tablename__ = "engines"
    __table_args__ = (UniqueConstraint("kind", "base", "pool"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    base: Mapped[str]
    pool: Mapped[str]
    token: Mapped[int] = mapped_column(default=0)
    beat: Mapped[int] = mapped_column(default=0)
    worker_id: Mapped[str | None]
    address: Mapped[str | None]
    secret: Mapped[str] = mapped_column(default="")
    memory_bytes: Mapped[int] = mapped_column(BigInteger, default=0)


class Deployment(Table):
    """A model that a tenant wants to have answered by.

    Attributes:
        model: the id of a registered model, or a base model's name.
        reference: what was asked for, such as a name or an alias.
        alias: whose moves it follows: then another deployment takes its place.
        message: what its state is about; `hint` what to do.
        notify: channels that hear of it.
        seq: counts its turns.
    """

    __tablename__ = "deployments"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    engine_id: Mapped[str] = mapped_column(ForeignKey("engines.id"), index=True)
    model: Mapped[str]
    reference: Mapped[str]
    alias: Mapped[str | None]
    state: Mapped[DeploymentState] = mapped_column(String)
    message: Mapped[str] = mapped_column(default="")
    hint: Mapped[str] = mapped_column(default="")
    notify: Mapped[list[str]]
    seq: Mapped[int] = mapped_column(default=0)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class ModelRequest(Table):
    """A request to a model. Texts are None where the tenant keeps them out."""

    __tablename__ = "model_requests"
    __table_args__ = (Index("model_requests_by_time", "tenant_id", "time"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    time: Mapped[datetime]
    kind: Mapped[str]  # chat, completion, embedding
    model: Mapped[str]
    deployment_id: Mapped[str]
    asked_by: Mapped[str]
    key_id: Mapped[str]
    status: Mapped[int]  # as HTTP has it; 499: the client left
    milliseconds: Mapped[float]
    first_token_milliseconds: Mapped[float | None]
    prompt_tokens: Mapped[int]
    answer_tokens: Mapped[int]
    prompt_characters: Mapped[int]
    answer_characters: Mapped[int]
    prompt_sha256: Mapped[str]
    prompt: Mapped[str | None]
    answer: Mapped[str | None]


# --- what people write -----------------------------------------------------------------------


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


# --- recipes ---------------------------------------------------------------------------------


class Recipe(Table):
    """A recipe that a tenant keeps by name, to train with again."""

    __tablename__ = "recipes"

    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    recipe: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    saved_at: Mapped[datetime]
