"""Real trainings through a worker: paused and resumed, killed by the system, out of memory."""

import time
from collections.abc import Callable

import pytest

from tests.conftest import make_tiny_model
from tests.service.installations import BASE_MODEL, training
from tunesmith.artifacts import commit_folder, verify
from tunesmith.backends.local import LocalBackend
from tunesmith.service import jobs, submitting
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import JobOptions, Resources
from tunesmith.service.job_views import JobView
from tunesmith.service.preparation import job_folder
from tunesmith.service.services import Services
from tunesmith.service.worker import WorkerLoop
from tunesmith.store.claims import Room
from tunesmith.store.tables import Job, Model

# The trainings do not know the database, and each of them takes seconds.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SIZE = Room(num_cores=1, memory_bytes=1 << 40, num_gpus=0)


class Works:
    """A worker on real processes, and a tenant's view of it."""

    def __init__(self, services: Services, actor: Actor) -> None:
        # A short lease, so that beats, and with them wishes, come often.
        config = services.config.model_copy(update={"lease_seconds": 2.0})
        self.services = Services(config, services.database, services.installation)
        self.actor = actor
        self.worker = WorkerLoop(self.services, LocalBackend(), SIZE)

    def submit(self, *, epochs: int, memory_bytes: int | None = None, **changes: object) -> str:
        options = JobOptions(resources=Resources(memory_bytes=memory_bytes))
        request = training(epochs=epochs, **changes)
        return submitting.submit_job(self.services, request, actor=self.actor, options=options).id

    def view(self, job_id: str) -> JobView:
        return jobs.get_job(self.services, self.actor.tenant_id, job_id)

    def run_until(self, reached: Callable[[], bool], *, seconds: float = 100.0) -> None:
        """Let the worker work until `reached`, then stop it as its command does."""
        deadline = time.monotonic() + seconds
        self.worker.run(lambda: reached() or time.monotonic() > deadline, idle_seconds=0.05)
        assert time.monotonic() <= deadline, "it was not reached in time"

    def run_until_ended(self, job_id: str) -> JobView:
        self.run_until(lambda: self.view(job_id).finished_at is not None)
        return self.view(job_id)

    def result(self, job_id: str) -> str:
        """The digest of a training's registered result, which is whole."""
        with self.services.database.reading() as db:
            model = db.query(Model).filter_by(job_id=job_id).one()
            folder = job_folder(self.services, db.get_one(Job, job_id)) / "result"
        assert verify(folder).digest == model.digest
        return model.digest


@pytest.fixture
def works(services: Services, actor: Actor) -> Works:
    return Works(services, actor)


def test_a_paused_training_goes_on_to_the_same_bytes(works: Works) -> None:
    """Paused by a person, then given back by its worker, it ends as one that was let alone."""
    undisturbed = works.submit(epochs=30)
    assert works.run_until_ended(undisturbed).status == "succeeded"
    job_id = works.submit(epochs=30)
    works.run_until(lambda: works.view(job_id).step > 0)  # then its worker stops
    assert works.view(job_id).status == "queued"
    works.run_until(lambda: works.view(job_id).status == "running")
    jobs.pause_job(works.services, works.actor.tenant_id, job_id)
    works.run_until(lambda: works.view(job_id).status == "paused")
    assert 0 < works.view(job_id).step < 150
    jobs.resume_job(works.services, works.actor.tenant_id, job_id)
    assert works.run_until_ended(job_id).status == "succeeded"
    assert works.result(job_id) == works.result(undisturbed)


def test_a_training_out_of_memory_says_so_and_the_worker_lives_on(works: Works) -> None:
    """R19: the job's own limit is too low; the next job of the same worker succeeds."""
    sizes = {"hidden_size": 516, "intermediate_size": 2048, "num_hidden_layers": 8}
    commit_folder(
        works.services.installation.models / BASE_MODEL,
        kind="base-model",
        write=lambda target: make_tiny_model(target, **sizes) and None,
    )
    # Enough to begin with, but not for 30 million weights with gradients and Adam's moments.
    starved = works.submit(epochs=1, memory_bytes=500_000_000, method={"kind": "full"})
    view = works.run_until_ended(starved)
    assert view.status == "failed"
    assert view.error is not None
    assert view.error["reason"] == "out_of_memory", view.error
    assert "batch_size" in view.error["hint"]
    assert works.run_until_ended(works.submit(epochs=1)).status == "succeeded"
