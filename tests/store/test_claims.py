"""Which job comes next."""

from threading import Barrier, Thread

import pytest

from tests.store.rows import NOW, SIZE, Line
from tunesmith.errors import LeaseLost
from tunesmith.store import queue, requests
from tunesmith.store.claims import Room
from tunesmith.store.tables import Job


def test_an_empty_queue_gives_nothing(line: Line) -> None:
    line.add_tenant("a")
    assert line.claim() is None


def test_jobs_come_in_their_order(line: Line) -> None:
    line.add_tenant("a")
    jobs = [line.add_job("a") for _ in range(3)]
    assert line.claim_all() == jobs


def test_priority_comes_before_order(line: Line) -> None:
    line.add_tenant("a")
    low = line.add_job("a", priority=-1)
    usual = line.add_job("a")
    high = line.add_job("a", priority=1)
    assert line.claim_all() == [high, usual, low]


def test_a_job_can_be_placed_before_another(line: Line) -> None:
    line.add_tenant("a")
    first, second, third = (line.add_job("a") for _ in range(3))
    with line.database.transaction() as db:
        requests.place_before(db, db.get_one(Job, third), db.get_one(Job, second))
    assert line.claim_all() == [first, third, second]


def test_a_placed_job_takes_over_the_priority(line: Line) -> None:
    line.add_tenant("a")
    usual = line.add_job("a")
    high = line.add_job("a", priority=5)
    with line.database.transaction() as db:
        requests.place_before(db, db.get_one(Job, usual), db.get_one(Job, high))
    assert line.claim_all() == [usual, high]


def test_tenants_take_turns_however_many_jobs_one_has(line: Line) -> None:
    line.add_tenant("a")
    line.add_tenant("b")
    many = [line.add_job("a") for _ in range(4)]
    few = [line.add_job("b") for _ in range(2)]
    assert line.claim_all() == [many[0], few[0], many[1], few[1], many[2], many[3]]


def test_who_has_fewer_jobs_at_work_comes_first(line: Line) -> None:
    line.add_tenant("a")
    line.add_tenant("b")
    a = [line.add_job("a") for _ in range(3)]
    assert [line.claim(), line.claim()] == a[:2]
    b = [line.add_job("b") for _ in range(3)]
    assert [line.claim(), line.claim()] == b[:2]  # two to two, and a was served longest ago
    assert line.claim() == a[2]


def test_among_equals_comes_who_was_served_longest_ago(line: Line) -> None:
    line.add_tenant("a")
    line.add_tenant("b")
    jobs = {tenant: [line.add_job(tenant) for _ in range(2)] for tenant in ("a", "b")}
    for tenant, number in (("a", 0), ("b", 0), ("a", 1), ("b", 1)):
        claimed = line.claim()
        assert claimed == jobs[tenant][number]
        line.finish(claimed)


def test_a_quota_holds_and_the_others_go_on(line: Line) -> None:
    line.add_tenant("a", max_running=1)
    line.add_tenant("b")
    mine = [line.add_job("a") for _ in range(2)]
    other = line.add_job("b")
    assert line.claim_all() == [mine[0], other]
    line.finish(mine[0])
    assert line.claim_all() == [mine[1]]


def test_the_job_in_turn_waits_for_its_room_and_nobody_overtakes(line: Line) -> None:
    line.add_tenant("a")
    line.add_tenant("b")
    small = line.add_job("a", num_cores=1)
    large = line.add_job("b", num_cores=4)
    line.add_job("a", num_cores=1)
    assert line.claim() == small
    assert line.claim(free=SIZE - Room(1, 0, 0)) is None
    assert line.claim(free=SIZE) == large


def test_a_job_that_names_no_cores_takes_all(line: Line) -> None:
    line.add_tenant("a")
    job = line.add_job("a")
    assert line.claim(free=SIZE - Room(1, 0, 0)) is None
    assert line.claim() == job


@pytest.mark.parametrize(
    "needed", [{"num_cores": 5}, {"memory_bytes": 1001}, {"num_gpus": 1}], ids=str
)
def test_a_job_too_large_for_this_worker_is_left_to_others(
    line: Line, needed: dict[str, int]
) -> None:
    line.add_tenant("a")
    large = line.add_job("a", **needed)
    small = line.add_job("a", num_cores=1)
    assert line.claim_all() == [small]
    assert line.claim(size=Room(8, 2000, 1), free=Room(8, 2000, 1)) == large


def test_a_worker_takes_jobs_of_its_pool_only(line: Line) -> None:
    line.add_tenant("a")
    elsewhere = line.add_job("a", pool="gpus")
    here = line.add_job("a")
    assert line.claim_all() == [here]
    assert line.claim_all(pool="gpus") == [elsewhere]


def test_a_job_waits_for_what_it_needs(line: Line) -> None:
    line.add_tenant("a")
    needed = line.add_job("a")
    job = line.add_job("a", needs=[needed])
    assert line.claim_all() == [needed]
    line.finish(needed)
    assert line.claim_all() == [job]


def test_what_needs_a_failed_job_fails_and_so_on(line: Line) -> None:
    line.add_tenant("a")
    first = line.add_job("a")
    second = line.add_job("a", needs=[first])
    third = line.add_job("a", needs=[second])
    assert line.claim() == first
    line.finish(first, "failed", error={"reason": "data", "message": "row 3", "hint": "mend it"})
    for job_id in (second, third):
        job = line.job(job_id)
        assert job.status == "failed"
        assert job.error is not None
        assert (job.error["reason"], job.error["hint"]) == ("data", "mend it")
        assert job.error["message"].endswith("did not succeed: row 3")


def test_what_needs_a_cancelled_job_fails(line: Line) -> None:
    line.add_tenant("a")
    needed = line.add_job("a")
    job = line.add_job("a", needs=[needed])
    line.do(requests.cancel, needed, now=NOW)
    assert (line.status(needed), line.status(job)) == ("cancelled", "failed")


def test_a_job_that_is_queued_again_takes_what_it_needs_along(line: Line) -> None:
    line.add_tenant("a")
    needed = line.add_job("a")
    job = line.add_job("a", needs=[needed])
    line.do(requests.cancel, needed, now=NOW)
    line.do(requests.queue_again, job, message="", now=NOW)
    assert line.claim_all() == [needed]
    line.finish(needed)
    assert line.claim_all() == [job]


def test_workers_that_ask_at_once_get_different_jobs(line: Line) -> None:
    line.add_tenant("a")
    line.add_tenant("b")
    jobs = [line.add_job(tenant) for tenant in ("a", "b") for _ in range(10)]
    start = Barrier(4)
    claimed: list[str] = []

    def work(worker: str) -> None:
        start.wait()
        claimed.extend(line.claim_all(worker=worker))

    threads = [Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == jobs


def test_each_hand_over_has_a_larger_token(line: Line) -> None:
    line.add_tenant("a")
    job_id = line.add_job("a")
    tokens = [line.job(job_id).token]
    for _ in range(3):
        assert line.claim() == job_id
        tokens.append(line.job(job_id).token)
        line.do(queue.give_back, line.lease(job_id), seconds=0.0, now=NOW)
        tokens.append(line.job(job_id).token)
    assert tokens == sorted(set(tokens))
    with pytest.raises(LeaseLost):
        line.finish(job_id)
