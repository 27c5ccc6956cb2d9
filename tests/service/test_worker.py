"""What a worker does with its jobs, on a backend whose processes end when the test says so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from tests.service.installations import training
from tunesmith.artifacts import commit_folder
from tunesmith.backends.protocol import Ended, Execution
from tunesmith.errors import DatabaseUnavailable
from tunesmith.jobs.folder import Outcome, write_outcome
from tunesmith.service import jobs, submitting
from tunesmith.service.access import Actor
from tunesmith.service.preparation import job_folder
from tunesmith.service.services import Services
from tunesmith.service.worker import WorkerLoop
from tunesmith.store.claims import Room
from tunesmith.store.tables import Job, Model, Worker

LEASE = 15.0  # seconds, the default
SIZE = Room(num_cores=1, memory_bytes=1 << 40, num_gpus=0)


@dataclass
class Hand:
    """A job's process in the test's hand."""

    folder: Path
    end: Ended | None = None
    stops: int = 0

    def ended(self) -> Ended | None:
        return self.end

    def stop(self) -> None:
        self.stops += 1

    def kill(self) -> None:
        self.end = self.end or Ended(-9)


@dataclass
class HandBackend:
    """Starts nothing; `starting` is called where a process would begin."""

    started: list[Hand] = field(default_factory=list[Hand])
    starting: Callable[[], None] = lambda: None

    def start(self, folder: Path, *, room: Room) -> Execution:
        self.starting()
        self.started.append(Hand(folder))
        return self.started[-1]


@dataclass
class Bench:
    """Workers on one queue, with a clock that the test moves."""

    services: Services
    actor: Actor
    backend: HandBackend = field(default_factory=HandBackend)
    seconds: float = 0.0

    def worker(self, services: Services | None = None) -> WorkerLoop:
        return WorkerLoop(
            services or self.services, self.backend, SIZE, monotonic=lambda: self.seconds
        )

    def turn(self, *workers: WorkerLoop, seconds: float = 0.0) -> None:
        """Let time pass, then let each worker take a turn."""
        self.seconds += seconds
        for worker in workers:
            worker.turn()

    def submit(self, name: str = "tiny-run") -> str:
        return submitting.submit_job(self.services, training(name), actor=self.actor).id

    def job(self, job_id: str) -> Job:
        with self.services.database.reading() as db:
            return db.get_one(Job, job_id)

    def status(self, job_id: str) -> str:
        return self.job(job_id).status

    def leave_result(self, job_id: str) -> Path:
        """What a training's process leaves when it has finished."""
        folder = job_folder(self.services, self.job(job_id))
        manifest = commit_folder(
            folder / "result", kind="adapter", write=lambda t: (t / "w").write_text("w") and None
        )
        artifact = str(folder / "result")
        write_outcome(folder, Outcome(kind="train", artifact=artifact, digest=manifest.digest))
        return folder


@pytest.fixture
def bench(services: Services, actor: Actor) -> Bench:
    return Bench(services, actor)


def test_a_job_goes_through_a_worker(bench: Bench) -> None:
    job_id, worker = bench.submit(), bench.worker()
    bench.turn(worker)
    assert bench.status(job_id) == "running"
    bench.leave_result(job_id)
    bench.backend.started[0].end = Ended(0)
    bench.turn(worker)
    assert bench.status(job_id) == "succeeded"


def test_a_wish_of_the_last_moment_counts(bench: Bench) -> None:
    """The worker has not heard of it when the process ends."""
    for act, status in ((jobs.pause_job, "paused"), (jobs.cancel_job, "cancelled")):
        job_id, worker = bench.submit(), bench.worker()
        bench.turn(worker)
        act(bench.services, bench.actor.tenant_id, job_id)
        bench.backend.started[-1].end = Ended(130)
        bench.turn(worker)
        assert bench.status(job_id) == status


def test_a_job_is_asked_to_stop_once(bench: Bench) -> None:
    job_id, worker = bench.submit(), bench.worker()
    bench.turn(worker)
    jobs.pause_job(bench.services, bench.actor.tenant_id, job_id)
    for _ in range(3):
        bench.turn(worker, seconds=LEASE / 3)
    assert bench.backend.started[0].stops == 1


def test_a_process_that_dies_of_the_request_to_stop_has_stopped(bench: Bench) -> None:
    """Before it heeds signals, a process that has only begun is ended by them."""
    job_id, worker = bench.submit(), bench.worker()
    bench.turn(worker)
    jobs.pause_job(bench.services, bench.actor.tenant_id, job_id)
    bench.turn(worker, seconds=LEASE / 3)
    bench.backend.started[0].end = Ended(-15)
    bench.turn(worker)
    job = bench.job(job_id)
    assert (job.status, job.crashes, job.error) == ("paused", 0, None)


@pytest.mark.parametrize("act", [jobs.pause_job, jobs.cancel_job])
def test_what_is_paused_or_cancelled_while_it_is_prepared_does_not_start(
    bench: Bench, act: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id = bench.submit()

    def prepare(services: Services, job: Job) -> Path:
        act(services, bench.actor.tenant_id, job_id)
        return services.installation.folder

    monkeypatch.setattr("tunesmith.service.worker.prepare_folder", prepare)
    bench.turn(bench.worker())
    assert bench.backend.started == []
    assert bench.status(job_id) in ("paused", "cancelled")


def test_who_lost_a_job_while_preparing_it_does_not_start_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that stood still before it started the job must not evict who works on it now."""
    job_id, worker, other = bench.submit(), bench.worker(), bench.worker()

    def stand_still(services: Services, job: Job) -> Path:
        monkeypatch.undo()
        while not bench.backend.started:
            bench.turn(other, seconds=LEASE / 8)
        return services.installation.folder

    monkeypatch.setattr("tunesmith.service.worker.prepare_folder", stand_still)
    bench.turn(worker)
    assert len(bench.backend.started) == 1
    assert bench.job(job_id).worker_id == other.id


def test_a_job_that_cannot_be_prepared_fails_and_the_worker_lives_on(
    bench: Bench,
) -> None:
    worker = bench.worker()
    causes = {
        "disk_full": OSError(28, "No space left on device"),
        "defect": KeyError("nobody foresaw this"),
    }
    for reason, cause in causes.items():
        job_id = bench.submit()

        def start(cause: Exception = cause) -> None:
            raise cause

        bench.backend.starting = start
        bench.turn(worker)
        job = bench.job(job_id)
        assert job.status == "failed"
        assert job.error is not None
        assert job.error["reason"] == reason


def test_a_result_that_cannot_be_published_fails_its_job_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, worker = bench.submit(), bench.worker()
    bench.turn(worker)
    bench.leave_result(job_id)
    bench.backend.started[0].end = Ended(0)

    def publish(*arguments: object, **values: object) -> None:
        raise ValueError("nobody foresaw this")

    with monkeypatch.context() as patched:
        patched.setattr("tunesmith.service.worker.publish", publish)
        bench.turn(worker)
    assert bench.status(job_id) == "failed"
    later = bench.submit()
    bench.turn(worker)
    assert bench.status(later) == "running"


def test_a_job_whose_process_is_killed_again_and_again_fails(bench: Bench) -> None:
    job_id, worker = bench.submit(), bench.worker()
    for attempt in range(1, 4):
        bench.turn(worker)
        assert (len(bench.backend.started), bench.status(job_id)) == (attempt, "running")
        bench.backend.started[-1].end = Ended(-9)
    bench.turn(worker)
    job = bench.job(job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert job.error["reason"] == "out_of_memory"


def test_a_lost_job_is_taken_within_a_lease_and_a_quarter(bench: Bench) -> None:
    job_id, dead, other = bench.submit(), bench.worker(), bench.worker()
    bench.turn(dead, other)
    while bench.job(job_id).worker_id == dead.id:
        bench.turn(other, seconds=LEASE / 40)
    assert LEASE <= bench.seconds <= LEASE * 1.25


def test_a_worker_that_falls_silent_is_forgotten(bench: Bench) -> None:
    silent, alive = bench.worker(), bench.worker()
    bench.turn(silent, alive)
    for _ in range(6):
        bench.turn(alive, seconds=LEASE / 4)
    with bench.services.database.reading() as db:
        assert [worker.id for worker in db.query(Worker)] == [alive.id]
    bench.turn(silent)
    with bench.services.database.reading() as db:
        assert db.query(Worker).count() == 2


def test_wall_clocks_may_jump(bench: Bench) -> None:
    """R24: fifty jumps of an hour, back and forth, while two workers watch each other."""
    hours = 0

    def clock() -> datetime:
        return bench.services.clock() + timedelta(hours=hours)

    jumping = replace(bench.services, clock=clock)
    holder, other = bench.worker(), bench.worker(jumping)
    job_id = bench.submit()
    bench.turn(holder)
    token = bench.job(job_id).token
    for number in range(50):
        hours = (1, -1)[number % 2]
        bench.turn(holder, other, seconds=LEASE / 8)
    assert bench.job(job_id).token == token
    assert len(bench.backend.started) == 1


def test_while_the_database_is_away_jobs_go_on_and_nobody_is_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.service.worker.time.sleep", lambda seconds: None)
    job_id, holder, other = bench.submit(), bench.worker(), bench.worker()
    bench.turn(holder, other)
    token = bench.job(job_id).token

    def refuse() -> None:
        raise DatabaseUnavailable("it does not answer")

    with monkeypatch.context() as patched:
        for name in ("transaction", "reading"):
            patched.setattr(bench.services.database, name, refuse)
        for _ in range(20):
            bench.turn(holder, other, seconds=LEASE / 4)
        bench.backend.started[0].end = Ended(0)
        bench.turn(holder)
    bench.leave_result(job_id)
    bench.turn(other, holder, seconds=LEASE / 4)
    assert (bench.status(job_id), bench.job(job_id).token) == ("succeeded", token + 1)
    assert len(bench.backend.started) == 1


def test_results_of_one_name_that_come_at_once_get_versions_of_their_own(bench: Bench) -> None:
    job_ids = [bench.submit() for _ in range(4)]
    workers = [bench.worker() for _ in job_ids]
    bench.turn(*workers)
    for job_id, hand in zip(job_ids, bench.backend.started, strict=True):
        bench.leave_result(job_id)
        hand.end = Ended(0)
    start = Barrier(len(workers))

    def publish(worker: WorkerLoop) -> None:
        start.wait()
        worker.turn()

    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(publish, workers))
    assert [bench.status(job_id) for job_id in job_ids] == ["succeeded"] * 4
    with bench.services.database.reading() as db:
        assert sorted(model.version for model in db.query(Model)) == [1, 2, 3, 4]
