"""What happens to deployments by itself: they follow aliases, hold on to models, and fail."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.service.deployments import add_deployment, engine_for, resolve
from tunesmith.service.engine_plan import Reason
from tunesmith.service.paths import hide_paths
from tunesmith.service.services import Services
from tunesmith.store.engines import move_deployment, note_wait
from tunesmith.store.tables import LIVE, Deployment, InferenceEngine, Model, new_id


def fail_deployment(
    services: Services, db: Session, deployment: Deployment, *, message: str, hint: str
) -> None:
    """A deployment cannot be kept; what its people read names no place on the server."""
    message, hint = hide_paths(services, deployment.tenant_id, [message, hint])
    now = services.clock()
    move_deployment(db, deployment.id, to="failed", now=now, message=message, hint=hint)


def explain_wait(services: Services, deployment: Deployment, why: Reason) -> None:
    """Say what a deployment on its way waits for, where that is news."""
    if why == (deployment.message, deployment.hint):
        return
    message, hint = why
    with services.database.transaction() as db:
        note_wait(db, deployment, message=message, hint=hint, now=services.clock())


def follow_alias(
    services: Services, db: Session, tenant_id: str, alias: str, *, model: Model, base: str
) -> None:
    """An alias moved to `model`: what follows it is deployed anew, and replaced when that is ready.

    Until then the former model answers; what was on its way to be a third one is given up.
    """
    now = services.clock()
    followers = db.scalars(
        select(Deployment).where(
            Deployment.tenant_id == tenant_id,
            Deployment.alias == alias,
            Deployment.state.in_(LIVE),
        )
    ).all()
    for each in followers:
        if each.model != model.id and each.state == "deploying":
            message = f"{alias} is {model.id} now"
            move_deployment(db, each.id, to="stopped", now=now, message=message)
    if not followers or any(each.model == model.id for each in followers):
        return
    first = followers[0]
    kind = db.get_one(InferenceEngine, first.engine_id).kind
    successor = Deployment(
        id=new_id("deployment"),
        tenant_id=tenant_id,
        engine_id=engine_for(services, db, kind=kind, base=base),
        model=model.id,
        reference=first.reference,
        alias=alias,
        state="deploying",
        notify=first.notify,
        created_by=first.created_by,
        created_at=now,
        changed_at=now,
    )
    add_deployment(db, successor)


def base_of(services: Services, model: Model) -> str:
    """The base model that a registered model is served on.

    Raises:
        NotFound: it is gone.
    """
    return resolve(services, model.tenant_id, model.id)[1]


def live_use(db: Session, tenant_id: str, model_id: str) -> str | None:
    """The deployment that needs a model's files, if there is one."""
    live = (
        select(Deployment)
        .join(InferenceEngine, InferenceEngine.id == Deployment.engine_id)
        .where(Deployment.tenant_id == tenant_id, Deployment.state.in_(LIVE))
        .where((Deployment.model == model_id) | (InferenceEngine.base == model_id))
    )
    found = db.scalars(live).first()
    return None if found is None else f"the deployment {found.id}"


def follower_of(db: Session, tenant_id: str, alias: str) -> str | None:
    """The live deployment that follows an alias, if there is one."""
    live = select(Deployment.id).where(
        Deployment.tenant_id == tenant_id, Deployment.alias == alias, Deployment.state.in_(LIVE)
    )
    return db.scalars(live).first()
