"""R12: random walks through the life of jobs, beside a model of what must hold."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from tests.store.rows import NOW, Line
from tunesmith.errors import LeaseLost
from tunesmith.store import queue, requests
from tunesmith.store.database import Database
from tunesmith.store.tables import TERMINAL, Attempt, Job, JobEvent
from tunesmith.store.transitions import COMES_FROM, Lease

ERROR = {"reason": "data", "message": "m", "hint": "h"}


@dataclass
class Expected:
    """What a job should be, as far as its history decides it.

    Attributes:
        status: where it is.
        wish: what a person asked of whoever holds it.
        holder: whose hands it is in; None while it rests.
        needs: the job that has to succeed first.
        step: as far as any attempt came.
        losses, crashes: since the last step of progress.
    """

    status: str = "queued"
    wish: str | None = None
    holder: Lease | None = None
    needs: str | None = None
    step: int = 0
    furthest: int = 0
    losses: int = 0
    crashes: int = 0

    def let_go(self, status: str) -> None:
        self.status, self.wish, self.holder = status, None, None

    @property
    def wished(self) -> str | None:
        return {None: None, "pause": "paused", "cancel": "cancelled"}[self.wish]


class JobLife(RuleBasedStateMachine):
    """Submit, claim, beat, pause, cancel, resume, finish, crash, lose: in any order."""

    database: Database  # set by whoever runs this; its tables are emptied between walks

    jobs = Bundle("jobs")
    stale = Bundle("stale")

    @initialize()
    def begin(self) -> None:
        self.line = Line(self.database)
        self.line.add_tenant("a")
        self.expected: dict[str, Expected] = {}

    # --- what people do ----------------------------------------------------------------------

    @rule(target=jobs)
    def submit(self) -> str:
        job_id = self.line.add_job("a")
        self.expected[job_id] = Expected()
        return job_id

    @rule(target=jobs, needed=jobs)
    def submit_what_needs(self, needed: str) -> str:
        """As `submit_job` does: what rests is queued again with it."""
        if self.expected[needed].status in ("failed", "cancelled", "paused"):
            self.resume(needed)
        job_id = self.line.add_job("a", needs=[needed])
        self.expected[job_id] = Expected(needs=needed)
        return job_id

    @rule(job_id=jobs)
    def pause(self, job_id: str) -> None:
        job, done = self.expected[job_id], self._ask(requests.pause, job_id)
        if job.status == "queued":
            job.status = "paused"
        elif job.status in ("starting", "running"):
            job.status, job.wish = "pausing", "pause"
        else:
            assert not done
            return
        assert done

    @rule(job_id=jobs)
    def cancel(self, job_id: str) -> None:
        job, done = self.expected[job_id], self._ask(requests.cancel, job_id)
        assert done == (job.status not in TERMINAL)
        if job.status in ("queued", "paused"):
            job.status = "cancelled"
            self._fail_dependents(job_id)
        elif job.holder is not None:
            job.wish = "cancel"

    @rule(job_id=jobs)
    def resume(self, job_id: str) -> None:
        done = self.line.do(requests.queue_again, job_id, message="", now=NOW) is not None
        assert done == (self.expected[job_id].status in ("paused", "failed", "cancelled"))
        self._expect_again(job_id)

    def _expect_again(self, job_id: str | None) -> None:
        job = self.expected.get(job_id or "")
        if job is not None and job.status in ("paused", "failed", "cancelled"):
            job.status, job.losses, job.crashes = "queued", 0, 0
            self._expect_again(job.needs)

    def _ask(self, request: Any, job_id: str) -> bool:
        return self.line.do(request, job_id, now=NOW) is not None

    def _fail_dependents(self, job_id: str) -> None:
        for dependent_id, dependent in self.expected.items():
            if dependent.needs == job_id and dependent.status in ("queued", "paused"):
                dependent.status = "failed"
                self._fail_dependents(dependent_id)

    # --- what workers do ---------------------------------------------------------------------

    @rule()
    def claim(self) -> None:
        ready = [
            job_id
            for job_id, job in self.expected.items()
            if job.status == "queued"
            and (job.needs is None or self.expected[job.needs].status == "succeeded")
        ]
        claimed = self.line.claim()
        assert claimed == (ready[0] if ready else None)
        if claimed is not None:
            job = self.expected[claimed]
            job.status, job.holder = "starting", self.line.lease(claimed)

    @rule(job_id=jobs)
    def start(self, job_id: str) -> None:
        job = self.expected[job_id]
        if job.holder is not None:
            assert self.line.do(queue.start, job.holder, now=NOW) == job.wish
            job.status = "running" if job.status == "starting" else job.status

    @rule(job_id=jobs, step=st.integers(0, 5))
    def beat(self, job_id: str, step: int) -> None:
        job = self.expected[job_id]
        if job.holder is None:
            return
        wish = self.line.do(queue.beat, job.holder, step=step, total_steps=5, seconds=1.0)
        assert wish == job.wish
        job.step = step
        if step > job.furthest:
            job.furthest, job.losses, job.crashes = step, 0, 0

    @rule(target=stale, job_id=jobs, to=st.sampled_from(TERMINAL))
    def finish(self, job_id: str, to: str) -> Lease | None:
        job = self.expected[job_id]
        lease = job.holder
        if lease is not None:
            self.line.finish(job_id, to, error=ERROR if to == "failed" else None)
            job.let_go(to)
            if to != "succeeded":
                self._fail_dependents(job_id)
        return lease

    @rule(target=stale, job_id=jobs)
    def give_back(self, job_id: str) -> Lease | None:
        job = self.expected[job_id]
        lease = job.holder
        if lease is not None:
            self.line.do(queue.give_back, lease, seconds=1.0, now=NOW)
            self._expect_let_go(job_id, job.wished or "queued")
        return lease

    @rule(target=stale, job_id=jobs)
    def crash(self, job_id: str) -> Lease | None:
        job = self.expected[job_id]
        lease = job.holder
        if lease is not None:
            self.line.do(queue.crashed, lease, error=ERROR, seconds=1.0, now=NOW)
            job.crashes += 1
            again = "queued" if job.crashes < queue.MAX_CRASHES else "failed"
            self._expect_let_go(job_id, job.wished or again)
        return lease

    @rule(target=stale, job_id=jobs)
    def lose(self, job_id: str) -> Lease | None:
        job = self.expected[job_id]
        lease = job.holder
        if lease is not None:
            beat = self.line.job(job_id).beat
            assert self.line.do(queue.take_back, lease, seen_beat=beat, now=NOW) is not None
            job.losses += 1
            again = "queued" if job.losses < queue.MAX_LOSSES else "failed"
            self._expect_let_go(job_id, job.wished or again)
        return lease

    def _expect_let_go(self, job_id: str, status: str) -> None:
        self.expected[job_id].let_go(status)
        if status in ("failed", "cancelled"):
            self._fail_dependents(job_id)

    @rule(lease=stale, to=st.sampled_from(TERMINAL))
    def write_with_a_stale_token(self, lease: Lease | None, to: str) -> None:
        if lease is None:
            return
        for write in (
            lambda: self.line.do(queue.finish, lease, to=to, seconds=9.0, now=NOW),
            lambda: self.line.do(queue.beat, lease, step=9, total_steps=9, seconds=9.0),
            lambda: self.line.do(queue.give_back, lease, seconds=9.0, now=NOW),
        ):
            try:
                write()
            except LeaseLost:
                continue
            raise AssertionError("a stale write was taken")
        assert self.line.do(queue.take_back, lease, seen_beat=0, now=NOW) is None

    # --- what must hold ----------------------------------------------------------------------

    @invariant()
    def every_job_is_what_it_should_be(self) -> None:
        with self.database.reading() as db:
            for job in db.query(Job):
                expected = self.expected[job.id]
                assert (job.status, job.wish) == (expected.status, expected.wish)
                assert (job.losses, job.crashes) == (expected.losses, expected.crashes)
                assert (job.step, job.furthest_step) == (expected.step, expected.furthest)
                assert (job.worker_id is None) == (expected.holder is None)
                assert (job.error is not None) == (job.status == "failed")
                assert (job.finished_at is not None) == (job.status in TERMINAL)

    @invariant()
    def every_turn_is_allowed_and_none_is_missing(self) -> None:
        with self.database.reading() as db:
            last: dict[str, JobEvent] = {}
            for event in db.query(JobEvent).order_by(JobEvent.job_id, JobEvent.seq):
                before = last.get(event.job_id)
                assert event.seq == (before.seq + 1 if before else 1)
                assert event.status in (COMES_FROM if before else ("queued",))
                assert before is None or before.status in COMES_FROM[event.status]
                last[event.job_id] = event
        assert {id: event.status for id, event in last.items()} == {
            id: job.status for id, job in self.expected.items()
        }

    @invariant()
    def exactly_the_held_jobs_have_an_attempt_that_lasts(self) -> None:
        with self.database.reading() as db:
            lasting = {Lease(a.job_id, a.token) for a in db.query(Attempt) if a.outcome is None}
        assert lasting == {job.holder for job in self.expected.values() if job.holder}
