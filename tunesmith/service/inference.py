"""Where a request to a model goes: from the name that was given to a process that answers."""

from dataclasses import dataclass

from sqlalchemy import func, select

from tunesmith.errors import Conflict, NotFound, Unavailable
from tunesmith.service.services import Services
from tunesmith.store.tables import Alias, Deployment, InferenceEngine, Model


@dataclass(frozen=True)
class Route:
    """A process that answers for a model.

    Attributes:
        deployment_id: whose request it is.
        model: what the process calls the model.
        address: of the process.
        secret: what it asks for.
    """

    deployment_id: str
    model: str
    address: str
    secret: str


def find_route(services: Services, tenant_id: str, reference: str) -> Route:
    """The process that answers for a deployed model: by id, name, NAME@VERSION, alias or base.

    Of a name it is the newest version that is ready.

    Raises:
        NotFound: the tenant has nothing of that name deployed.
        Conflict: it failed or was stopped, and why.
        Unavailable: it is being deployed.
    """
    name, _, version = reference.partition("@")
    is_named = Model.name == name
    if version.isdigit() and len(version) < 10:
        is_named &= Model.version == int(version)
    elif version:
        is_named = Model.name == reference
    pointed = select(Alias.model_id).where(Alias.tenant_id == tenant_id, Alias.name == reference)
    wanted = (
        select(Deployment, InferenceEngine)
        .join(InferenceEngine, InferenceEngine.id == Deployment.engine_id)
        .outerjoin(Model, (Model.id == Deployment.model) & (Model.tenant_id == tenant_id))
        .where(Deployment.tenant_id == tenant_id)
        .where(
            (Deployment.model == reference)
            | (Deployment.alias == reference)
            | is_named
            | Deployment.model.in_(pointed)
        )
        .order_by(
            (Deployment.alias == reference).is_(True).desc(),
            func.coalesce(Model.version, 0).desc(),
            Deployment.changed_at.desc(),
        )
    )
    with services.database.reading() as db:
        rows = [(each, engine) for each, engine in db.execute(wanted)]
    for deployment, engine in rows:
        if deployment.state == "ready" and engine.address is not None:
            return Route(deployment.id, deployment.model, engine.address, engine.secret)
    states = {deployment.state for deployment, _ in rows}
    if states & {"deploying", "ready"}:
        coming = next(each for each, _ in rows if each.state in ("deploying", "ready"))
        raise Unavailable(
            f"the model {reference!r} is being deployed{_because(coming)}", hint="try again shortly"
        )
    if states:
        last = max((deployment for deployment, _ in rows), key=lambda each: each.changed_at)
        raise Conflict(
            f"the deployment of {reference!r} is {last.state}{_because(last)}",
            hint="start it again",
        )
    # The same for what does not exist, what is not deployed, and what is another tenant's.
    raise NotFound(
        f"the model {reference!r} does not exist or is not deployed",
        hint="deploy it with POST /api/v1/deployments",
    )


def _because(deployment: Deployment) -> str:
    return f": {deployment.message}" if deployment.message else ""
