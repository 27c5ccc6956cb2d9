"""A model that no worker has room for waits, says for what, and fails only when that is vain."""

from datetime import UTC, datetime

from sqlalchemy import select

from tests.service.installations import BASE_MODEL
from tunesmith.backends.local import LocalBackend
from tunesmith.service import deployments
from tunesmith.service.access import Actor
from tunesmith.service.budget import Budget
from tunesmith.service.deployments import DeploymentRequest, DeploymentView
from tunesmith.service.keeper import Keeper
from tunesmith.service.services import Services
from tunesmith.store.claims import Room
from tunesmith.store.tables import Channel, InferenceEngine, OutboxMessage
from tunesmith.store.workers import forget_worker, say_hello

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SMALL, LARGE = 10_000_000, 100_000_000_000


class Site:
    """One keeper and its clock. Other workers say hello, and do nothing else."""

    def __init__(self, services: Services, actor: Actor, *, inference_bytes: int) -> None:
        self.services, self._actor, self._now = services, actor, 0.0
        self.budget = Budget("mine", inference_bytes)
        self.keeper = Keeper(
            services, LocalBackend(), self.budget, num_cores=1, monotonic=lambda: self._now
        )
        self.add_worker("mine", inference_bytes)
        with services.database.transaction() as db:
            channel = Channel(
                id="c",
                tenant_id=actor.tenant_id,
                name="ops",
                url="json://x",
                hears_all=True,
                created_at=NOW,
            )
            db.add(channel)
        self.id = deployments.deploy(services, DeploymentRequest(model=BASE_MODEL), actor=actor).id

    def add_worker(self, name: str, inference_bytes: int) -> None:
        with self.services.database.transaction() as db:
            say_hello(
                db,
                name,
                host="h",
                pool="default",
                size=Room(1, inference_bytes, 0),
                inference_bytes=inference_bytes,
                now=NOW,
            )

    def look(self, *, after: float = 0.0) -> DeploymentView:
        """The deployment when the keeper has looked again."""
        self._now += after
        self.keeper.turn()
        return deployments.get_deployment(self.services, self._actor.tenant_id, self.id)

    def told(self) -> list[tuple[str, str]]:
        """What people heard, by state and the beginning of the message."""
        with self.services.database.reading() as db:
            events = [each.event for each in db.scalars(select(OutboxMessage))]
        events.sort(key=lambda event: event["seq"])
        return [(event["status"], event["message"][:5]) for event in events]


def test_it_waits_for_a_worker_that_is_large_enough_and_fails_when_none_comes(
    services: Services, actor: Actor
) -> None:
    site = Site(services, actor, inference_bytes=SMALL)
    seen = site.look()
    assert seen.state == "deploying"
    assert seen.message.startswith("waits for a worker with ")
    assert seen.message.endswith("the largest at work has 0.01 GB")
    assert "larger worker" in seen.hint
    site.add_worker("large", LARGE)
    site.look(after=299)  # it could take the engine, which is its own affair
    with services.database.transaction() as db:
        forget_worker(db, "large")
    assert site.look(after=299).state == "deploying"
    failed = site.look(after=2)
    assert failed.state == "failed"
    assert "the worker has 0.01 GB for models" in failed.message
    assert site.told() == [("deploying", ""), ("deploying", "waits"), ("failed", BASE_MODEL[:5])]


def test_it_waits_for_memory_that_others_have(services: Services, actor: Actor) -> None:
    site = Site(services, actor, inference_bytes=LARGE)
    site.budget.take("e", LARGE)
    with services.database.transaction() as db:
        other = InferenceEngine(
            id="e",
            kind="reference",
            base="another",
            pool="default",
            worker_id="mine",
            memory_bytes=LARGE - 500_000_000,
        )
        db.add(other)
    seen = site.look()
    assert seen.message.endswith("of memory; 0.50 GB of 100.00 GB are free")
    assert "ask the operator to stop other deployments" in seen.hint
    with services.database.transaction() as db:
        db.get_one(InferenceEngine, "e").memory_bytes = LARGE
    seen = site.look(after=10_000)
    assert seen.state == "deploying"
    assert seen.message.endswith("of memory; 0.00 GB of 100.00 GB are free")
    assert site.told() == [("deploying", ""), ("deploying", "waits")]
