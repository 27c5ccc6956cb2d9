"""Work: what is there to work on, jobs, and who does them."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tunesmith.store.tables.base import Table

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


# --- what is there -------------------------------------------------------------------------------


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


# --- jobs and workers ----------------------------------------------------------------------------


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
