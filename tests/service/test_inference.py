"""What a model's name leads to."""

import pytest

from tests.service.installation import found_owner
from tunesmith.errors import Conflict, NotFound, Unavailable
from tunesmith.service.inference import find_route
from tunesmith.service.services import Services
from tunesmith.store.tables import (
    Alias,
    Deployment,
    DeploymentState,
    InferenceEngine,
    Model,
    new_id,
)

BASE = "smollm2-135m"


@pytest.fixture
def tenant(services: Services) -> str:
    """A tenant with three versions of a model, and an engine that answers."""
    owner, _ = found_owner(services)
    with services.database.transaction() as db:
        db.add(
            InferenceEngine(
                id="engine-1", kind="reference", base=BASE, pool="default", address="http://here"
            )
        )
        for version in (1, 2, 3):
            db.add(
                Model(
                    id=f"ft:shop:{version}",
                    tenant_id=owner.tenant_id,
                    name="shop",
                    version=version,
                    kind="adapter",
                    base=BASE,
                    digest="",
                    folder="",
                    created_at=services.clock(),
                )
            )
        db.flush()
        db.add(Alias(tenant_id=owner.tenant_id, name="prod", model_id="ft:shop:1"))
    return owner.tenant_id


def _deploy(
    services: Services,
    tenant: str,
    model: str,
    state: DeploymentState = "ready",
    alias: str | None = None,
) -> None:
    with services.database.transaction() as db:
        db.add(
            Deployment(
                id=new_id("deployment"),
                tenant_id=tenant,
                engine_id="engine-1",
                model=model,
                reference=model,
                alias=alias,
                state=state,
                message="no room" if state == "failed" else "",
                notify=[],
                created_by="ada@example.org",
                created_at=services.clock(),
                changed_at=services.clock(),
            )
        )


def test_names_versions_aliases_and_bases(services: Services, tenant: str) -> None:
    for model in ("ft:shop:1", "ft:shop:2", BASE):
        _deploy(services, tenant, model)
    _deploy(services, tenant, "ft:shop:3", "deploying")
    found = {
        name: find_route(services, tenant, name).model
        for name in ("shop", "shop@1", "ft:shop:2", "prod", BASE)
    }
    assert found == {
        "shop": "ft:shop:2",  # the newest that is ready
        "shop@1": "ft:shop:1",
        "ft:shop:2": "ft:shop:2",
        "prod": "ft:shop:1",
        BASE: BASE,
    }
    with pytest.raises(Unavailable):
        find_route(services, tenant, "shop@3")


def test_a_deployment_that_follows_an_alias_answers_until_the_next_one_does(
    services: Services, tenant: str
) -> None:
    _deploy(services, tenant, "ft:shop:2", alias="prod")
    _deploy(services, tenant, "ft:shop:1")
    _deploy(services, tenant, "ft:shop:3", "deploying", alias="prod")
    assert find_route(services, tenant, "prod").model == "ft:shop:2"


def test_what_does_not_answer_says_why(services: Services, tenant: str) -> None:
    _deploy(services, tenant, "ft:shop:1", "failed")
    with pytest.raises(Conflict, match="no room"):
        find_route(services, tenant, "shop")
    said = set()
    for asker, name in (
        (tenant, "nothing"),
        (tenant, "shop@2"),
        (tenant, "shop@99999999999999999999"),
        ("another", "shop"),
        ("another", "prod"),
        ("another", "ft:shop:1"),
    ):
        with pytest.raises(NotFound) as refusal:
            find_route(services, asker, name)
        said.add(str(refusal.value).replace(repr(name), "NAME"))
    assert len(said) == 1
