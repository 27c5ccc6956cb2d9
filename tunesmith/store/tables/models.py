"""Models: their versions and names, how they were judged, how they are served."""

from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import BigInteger, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from tunesmith.store.tables.base import Table

Verdict: TypeAlias = Literal["best", "tie", "none"]
DeploymentState: TypeAlias = Literal["deploying", "ready", "failed", "stopped"]
LIVE: tuple[DeploymentState, ...] = ("deploying", "ready")


# --- versions and names --------------------------------------------------------------------------


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


# --- judging -------------------------------------------------------------------------------------


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


# --- serving -------------------------------------------------------------------------------------


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
