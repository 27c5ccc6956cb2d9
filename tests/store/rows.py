"""Tenants and jobs as rows, and the queue's statements each in a transaction of its own."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from tunesmith.store import queue
from tunesmith.store.claims import Room, claim
from tunesmith.store.database import Database
from tunesmith.store.tables import Job, JobEvent, JobNeed, Tenant
from tunesmith.store.transitions import Lease, record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = Room(num_cores=4, memory_bytes=1000, num_gpus=0)

T = TypeVar("T")


@dataclass
class Line:
    """A queue in a database, with short names for what tests do to it."""

    database: Database
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def do(self, act: Callable[..., T], *arguments: Any, **values: Any) -> T:
        """Call `act` with a session that is committed afterwards."""
        with self.database.transaction() as db:
            return act(db, *arguments, **values)

    def add_tenant(self, name: str, *, max_running: int | None = None) -> str:
        row = Tenant(id=name, name=name, created_at=NOW, max_running=max_running)
        self.do(lambda db: db.add(row))
        return name

    def add_job(self, tenant: str, *, needs: Sequence[str] = (), **values: Any) -> str:
        """The id of a new job that waits; it takes a worker's every core unless told otherwise."""
        number = next(self._numbers)

        def insert(db: Session) -> str:
            row = Job(
                id=f"job-{number:03}",
                tenant_id=tenant,
                kind="preview",
                name=f"name-{number}",
                spec={},
                details={},
                status="queued",
                request_digest="",
                created_by="",
                created_at=NOW,
                **{"rank": number, "pool": "default", **values},
            )
            db.add(row)
            db.flush()
            db.add_all(JobNeed(job_id=row.id, needed_id=each) for each in needs)
            record(db, row, message="", now=NOW)
            return row.id

        return self.do(insert)

    def claim(
        self, worker: str = "w1", *, pool: str = "default", size: Room = SIZE, free: Room = SIZE
    ) -> str | None:
        """The id of the job that a worker gets."""
        job = self.do(claim, worker_id=worker, pool=pool, size=size, free=free, now=NOW)
        return None if job is None else job.id

    def claim_all(self, **values: Any) -> list[str]:
        """Every job that a worker without end gets, in order."""
        claimed: list[str] = []
        while (job_id := self.claim(**values)) is not None:
            claimed.append(job_id)
        return claimed

    def lease(self, job_id: str) -> Lease:
        return Lease(job_id, self.job(job_id).token)

    def finish(self, job_id: str, to: str = "succeeded", **values: Any) -> None:
        self.do(queue.finish, self.lease(job_id), to=to, seconds=1.0, now=NOW, **values)

    def job(self, job_id: str) -> Job:
        with self.database.reading() as db:
            return db.get_one(Job, job_id)

    def status(self, job_id: str) -> str:
        return self.job(job_id).status

    def turns(self, job_id: str) -> list[str]:
        with self.database.reading() as db:
            events = db.query(JobEvent).filter_by(job_id=job_id).order_by(JobEvent.seq)
            return [event.status for event in events]
