"""Engines and the deployments that stand on them: who keeps which, and what may follow what.

As with jobs (`store/queue.py`) a worker holds an engine under a token that grows with every change
of hands, and what it says names its token. The deployments of an engine are in the same hands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from tunesmith.errors import LeaseLost
from tunesmith.store.tables import LIVE, Channel, Deployment, DeploymentState, InferenceEngine
from tunesmith.store.transitions import tell

# From which states a deployment may come into each.
COMES_FROM: Mapping[DeploymentState, tuple[DeploymentState, ...]] = {
    "deploying": ("ready", "failed", "stopped"),
    "ready": ("deploying",),
    "failed": LIVE,
    "stopped": LIVE,
}


@dataclass(frozen=True)
class EngineLease:
    """An engine in a worker's hands."""

    engine_id: str
    token: int


# --- engines ---------------------------------------------------------------------------------


def take_engine(
    db: Session, engine: InferenceEngine, *, worker_id: str, memory_bytes: int
) -> EngineLease | None:
    """Take an engine that nobody keeps; None if another worker was faster.

    What is deployed on it waits for nothing any more.
    """
    statement = (
        update(InferenceEngine)
        .where(InferenceEngine.id == engine.id, InferenceEngine.token == engine.token)
        .where(InferenceEngine.worker_id.is_(None))
        .values(token=engine.token + 1, worker_id=worker_id, memory_bytes=memory_bytes)
    )
    if _num_rows(db, statement) == 0:
        return None
    waiting = update(Deployment).where(
        Deployment.engine_id == engine.id, Deployment.state == "deploying"
    )
    db.execute(waiting.values(message="", hint=""))
    return EngineLease(engine.id, engine.token + 1)


def write_engine(db: Session, lease: EngineLease, **values: Any) -> None:
    """Beat, and set columns of an engine in these hands.

    Raises:
        LeaseLost: it is in others.
    """
    statement = (
        update(InferenceEngine)
        .where(InferenceEngine.id == lease.engine_id, InferenceEngine.token == lease.token)
        .values(beat=InferenceEngine.beat + 1, **values)
    )
    if _num_rows(db, statement) == 0:
        raise LeaseLost(f"engine {lease.engine_id} is in other hands")


def let_go_of_engine(db: Session, lease: EngineLease, *, now: datetime) -> None:
    """Its worker keeps it no longer; what is deployed on it waits for another.

    Raises:
        LeaseLost: it is in other hands already.
    """
    write_engine(db, lease, **_NOT_KEPT)
    unready(db, lease.engine_id, message="waits for a worker", now=now)


def held_engines(db: Session) -> list[tuple[EngineLease, int]]:
    """Every engine in a worker's hands, with its beat."""
    held = select(InferenceEngine.id, InferenceEngine.token, InferenceEngine.beat)
    rows = db.execute(held.where(InferenceEngine.worker_id.is_not(None)))
    return [(EngineLease(engine_id, token), beat) for engine_id, token, beat in rows]


def take_engine_back(db: Session, lease: EngineLease, *, seen_beat: int, now: datetime) -> bool:
    """Take an engine from a worker whose beat stood still; False if it has moved after all."""
    statement = (
        update(InferenceEngine)
        .where(InferenceEngine.id == lease.engine_id, InferenceEngine.token == lease.token)
        .where(InferenceEngine.beat == seen_beat, InferenceEngine.worker_id.is_not(None))
        .values(**_NOT_KEPT)
    )
    if _num_rows(db, statement) == 0:
        return False
    unready(db, lease.engine_id, message="its worker was lost", now=now)
    return True


_NOT_KEPT: Mapping[str, Any] = {
    "token": InferenceEngine.token + 1,
    "worker_id": None,
    "address": None,
    "secret": "",
    "memory_bytes": 0,
}


# --- deployments -----------------------------------------------------------------------------


def live_on(db: Session, engine_id: str) -> Sequence[Deployment]:
    """What people want of an engine, oldest first."""
    wanted = select(Deployment).where(Deployment.engine_id == engine_id, Deployment.state.in_(LIVE))
    return db.scalars(wanted.order_by(Deployment.created_at, Deployment.id)).all()


def move_deployment(
    db: Session,
    deployment_id: str,
    *,
    to: DeploymentState,
    now: datetime,
    message: str = "",
    hint: str = "",
) -> Deployment | None:
    """Change a deployment's state by compare-and-set, and tell who wants to hear of it.

    None if it was in no state from which that may come.
    """
    statement = (
        update(Deployment)
        .where(Deployment.id == deployment_id, Deployment.state.in_(COMES_FROM[to]))
        .values(state=to, message=message, hint=hint, seq=Deployment.seq + 1, changed_at=now)
    )
    if _num_rows(db, statement) == 0:
        return None
    deployment = db.get_one(Deployment, deployment_id, populate_existing=True)
    tell_of_deployment(db, deployment, now=now)
    return deployment


def note_wait(
    db: Session, deployment: Deployment, *, message: str, hint: str, now: datetime
) -> None:
    """Say what a deployment on its way waits for.

    People are told when it begins to wait for something that they can do, and not of every change
    of figures.
    """
    begins = not deployment.hint
    statement = (
        update(Deployment)
        .where(Deployment.id == deployment.id, Deployment.state == "deploying")
        .values(message=message, hint=hint, seq=Deployment.seq + int(begins))
    )
    if _num_rows(db, statement) and begins:
        told = db.get_one(Deployment, deployment.id, populate_existing=True)
        tell_of_deployment(db, told, now=now)


def tell_of_deployment(db: Session, deployment: Deployment, *, now: datetime) -> None:
    """Put its state into the outbox, for the channels that it names and those that hear all."""
    channels = select(Channel.id).where(
        Channel.id.in_(deployment.notify) | Channel.hears_all,
        Channel.tenant_id == deployment.tenant_id,
    )
    event = {
        "job_id": deployment.id,  # what channels know things by
        "seq": deployment.seq,
        "kind": "deployment",
        "name": deployment.reference,
        "status": deployment.state,
        "message": deployment.message,
        "hint": deployment.hint,
        "time": now.isoformat(timespec="milliseconds"),
    }
    tell(db, channels, event, tenant_id=deployment.tenant_id, now=now)


def make_ready(db: Session, deployment: Deployment, *, now: datetime) -> None:
    """It answers from now on; of those that follow the same alias it takes the place."""
    if move_deployment(db, deployment.id, to="ready", now=now) is None:
        return
    if deployment.alias is None:
        return
    others = select(Deployment.id).where(
        Deployment.tenant_id == deployment.tenant_id,
        Deployment.alias == deployment.alias,
        Deployment.state == "ready",
        Deployment.id != deployment.id,
    )
    for other in db.scalars(others).all():
        message = f"{deployment.alias} is {deployment.model} now"
        move_deployment(db, other, to="stopped", now=now, message=message)


def unready(db: Session, engine_id: str, *, message: str, now: datetime) -> None:
    """What was ready on an engine is not any more, and is to be again."""
    for deployment in live_on(db, engine_id):
        move_deployment(db, deployment.id, to="deploying", now=now, message=message)


def _num_rows(db: Session, statement: Any) -> int:
    return cast("CursorResult[Any]", db.execute(statement)).rowcount
