"""R3 in small: whoever lost a job can write nothing of it any more."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests.store.rows import NOW, Line
from tunesmith.errors import LeaseLost
from tunesmith.store import queue, requests
from tunesmith.store.tables import Attempt, Job, JobEvent
from tunesmith.store.transitions import Lease

Write = Callable[[Session, Lease], Any]

ERROR = {"reason": "data", "message": "m", "hint": ""}
STALE_WRITES: dict[str, Write] = {
    "beat": lambda db, lease: queue.beat(db, lease, step=9, total_steps=9, seconds=9.0),
    "start": lambda db, lease: queue.start(db, lease, now=NOW),
    "succeed": lambda db, lease: queue.finish(db, lease, to="succeeded", seconds=9.0, now=NOW),
    "fail": lambda db, lease: queue.finish(
        db, lease, to="failed", seconds=9.0, now=NOW, error=ERROR
    ),
    "give back": lambda db, lease: queue.give_back(db, lease, seconds=9.0, now=NOW),
    "crash": lambda db, lease: queue.crashed(db, lease, error=ERROR, seconds=9.0, now=NOW),
}


def take_back(line: Line, job_id: str) -> None:
    job = line.job(job_id)
    lease = Lease(job_id, job.token)
    assert line.do(queue.take_back, lease, seen_beat=job.beat, now=NOW) is not None


def to_queue(line: Line, job_id: str) -> None:
    take_back(line, job_id)


def to_another(line: Line, job_id: str) -> None:
    take_back(line, job_id)
    assert line.claim("w2") == job_id


def to_another_at_work(line: Line, job_id: str) -> None:
    to_another(line, job_id)
    line.do(queue.start, line.lease(job_id), now=NOW)


def to_another_who_pauses(line: Line, job_id: str) -> None:
    to_another(line, job_id)
    line.do(requests.pause, job_id, now=NOW)


def to_another_who_is_done(line: Line, job_id: str) -> None:
    to_another(line, job_id)
    line.finish(job_id, "succeeded")


def to_the_same_worker(line: Line, job_id: str) -> None:
    take_back(line, job_id)
    assert line.claim("w1") == job_id


def to_paused(line: Line, job_id: str) -> None:
    line.do(requests.pause, job_id, now=NOW)
    take_back(line, job_id)
    assert line.status(job_id) == "paused"


def to_cancelled(line: Line, job_id: str) -> None:
    line.do(requests.cancel, job_id, now=NOW)
    take_back(line, job_id)
    assert line.status(job_id) == "cancelled"


WHERE_TO = [
    to_queue,
    to_another,
    to_another_at_work,
    to_another_who_pauses,
    to_another_who_is_done,
    to_the_same_worker,
    to_paused,
    to_cancelled,
]


@pytest.mark.parametrize("change_hands", WHERE_TO, ids=lambda change: change.__name__)
def test_a_stale_write_changes_nothing(
    line: Line, change_hands: Callable[[Line, str], None]
) -> None:
    line.add_tenant("a")
    job_id = line.add_job("a")
    assert line.claim("w1") == job_id
    stale = line.lease(job_id)
    change_hands(line, job_id)
    before = everything(line)
    for write in STALE_WRITES.values():
        with pytest.raises(LeaseLost):
            line.do(write, stale)
        assert everything(line) == before


def everything(line: Line) -> list[dict[str, Any]]:
    with line.database.reading() as db:
        rows = [*db.query(Job), *db.query(JobEvent), *db.query(Attempt)]
        return [
            {column.name: getattr(row, column.name) for column in row.__table__.columns}
            for row in rows
        ]


@pytest.mark.parametrize("write", [name for name in STALE_WRITES if name != "start"])
def test_the_holder_may_write(line: Line, write: str) -> None:
    line.add_tenant("a")
    job_id = line.add_job("a")
    assert line.claim() == job_id
    before = everything(line)
    line.do(STALE_WRITES[write], line.lease(job_id))
    assert everything(line) != before


def test_a_worker_that_beat_after_all_keeps_its_job(line: Line) -> None:
    line.add_tenant("a")
    job_id = line.add_job("a")
    assert line.claim() == job_id
    lease, seen = line.lease(job_id), line.job(job_id).beat
    line.do(queue.beat, lease, step=1, total_steps=2, seconds=1.0)
    assert line.do(queue.take_back, lease, seen_beat=seen, now=NOW) is None
    assert line.lease(job_id) == lease
