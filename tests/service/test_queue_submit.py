"""Submitting is safe to repeat, at the same time as well, and nothing waits for ever."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread

import pytest

from tests.service.installations import BASE_MODEL, training
from tunesmith.errors import Conflict, QuotaExceeded
from tunesmith.service import jobs, submitting
from tunesmith.service.access import Actor
from tunesmith.service.files import store_file
from tunesmith.service.job_requests import JobOptions, PreviewRequest
from tunesmith.service.services import Services
from tunesmith.store import queue
from tunesmith.store.claims import Room, claim
from tunesmith.store.tables import Job, JobNeed, Tenant
from tunesmith.store.transitions import Lease

SIZE = Room(1, 1 << 40, 0)
PREVIEW = PreviewRequest(dataset="counting", model=BASE_MODEL)


def job_ids(services: Services) -> list[str]:
    with services.database.reading() as db:
        return [job.id for job in db.query(Job)]


def test_the_same_key_is_the_same_job(services: Services, actor: Actor) -> None:
    first, again = (
        submitting.submit_job(services, training(), actor=actor, idempotency_key="k")
        for _ in range(2)
    )
    assert first.id == again.id
    assert job_ids(services) == [first.id]


def test_without_a_key_each_submit_is_a_job(services: Services, actor: Actor) -> None:
    made = {submitting.submit_job(services, PREVIEW, actor=actor).id for _ in range(2)}
    assert sorted(job_ids(services)) == sorted(made)


@pytest.mark.parametrize(
    ("request_", "options"),
    [(training("other"), JobOptions()), (training(), JobOptions(priority=1))],
    ids=["other request", "other options"],
)
def test_a_key_is_for_one_request(
    services: Services, actor: Actor, request_: object, options: JobOptions
) -> None:
    first = submitting.submit_job(services, training(), actor=actor, idempotency_key="k")
    with pytest.raises(Conflict, match=first.id):
        submitting.submit_job(services, request_, actor=actor, options=options, idempotency_key="k")
    assert job_ids(services) == [first.id]


def test_a_key_at_the_same_time_is_one_job(services: Services, actor: Actor) -> None:
    num_at_once = 4
    for number in range(5):
        start = Barrier(num_at_once)

        def submit(key: str = f"k{number}", start: Barrier = start) -> str:
            start.wait()
            return submitting.submit_job(services, PREVIEW, actor=actor, idempotency_key=key).id

        with ThreadPoolExecutor(num_at_once) as pool:
            made = {each.result() for each in [pool.submit(submit) for _ in range(num_at_once)]}
        assert len(made) == 1
    assert len(job_ids(services)) == 5


def test_trainings_on_one_file_share_its_import(services: Services, actor: Actor) -> None:
    source = services.installation.folder / "counting.jsonl"
    with source.open("rb") as stream:
        file = store_file(services, stream, filename="x.jsonl", purpose="fine-tune", actor=actor)
    start = Barrier(3)

    def submit(number: int) -> str:
        start.wait()
        request = PREVIEW.model_copy(update={"dataset": file.id, "first_row": number + 1})
        return submitting.submit_job(services, request, actor=actor).id

    with ThreadPoolExecutor(3) as pool:
        made = sorted(pool.map(submit, range(3)))
    with services.database.reading() as db:
        imports = [job.id for job in db.query(Job).filter_by(kind="import")]
        needs = sorted((need.job_id, need.needed_id) for need in db.query(JobNeed))
    assert len(imports) == 1
    assert needs == [(job_id, imports[0]) for job_id in made]


def test_too_many_waiting_jobs_are_refused(services: Services, actor: Actor) -> None:
    with services.database.transaction() as db:
        db.get_one(Tenant, actor.tenant_id).max_queued = 1
    submitting.submit_job(services, PREVIEW, actor=actor)
    with pytest.raises(QuotaExceeded):
        submitting.submit_job(services, PREVIEW, actor=actor)


def test_what_fails_while_another_job_comes_to_need_it_fails_that_too(
    services: Services, actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The import fails between the look at it and the note that it is needed."""
    source = services.installation.folder / "counting.jsonl"
    with source.open("rb") as stream:
        file = store_file(services, stream, filename="x.jsonl", purpose="fine-tune", actor=actor)
    wanting = PREVIEW.model_copy(update={"dataset": file.id})
    first = submitting.submit_job(services, wanting, actor=actor)
    lease = claim_next(services)
    failing = Thread(target=fail, args=(services, lease))
    insert = submitting._insert

    def insert_slowly(*arguments: object, **values: object) -> Job:
        failing.start()
        failing.join(timeout=0.5)  # it waits for us, unless nothing holds it back
        return insert(*arguments, **values)

    monkeypatch.setattr(submitting, "_insert", insert_slowly)
    second = submitting.submit_job(services, wanting, actor=actor)
    failing.join()
    statuses = {
        each: jobs.get_job(services, actor.tenant_id, each).status
        for each in (lease.job_id, first.id, second.id)
    }
    assert set(statuses.values()) == {"failed"}


def claim_next(services: Services) -> Lease:
    with services.database.transaction() as db:
        job = claim(db, worker_id="w", pool="default", size=SIZE, free=SIZE, now=services.clock())
        assert job is not None
        return Lease(job.id, job.token)


def fail(services: Services, lease: Lease) -> None:
    error = {"reason": "data", "message": "row 3", "hint": ""}
    with services.database.transaction() as db:
        queue.finish(db, lease, to="failed", seconds=0.0, now=services.clock(), error=error)
