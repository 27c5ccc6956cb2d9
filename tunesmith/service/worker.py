"""A worker: takes jobs from the queue, lets a backend run them, says how they fare.

One loop on one thread; nothing in it waits for a job. While the database does not answer, jobs run
on, and the loop says so and asks again. If the worker dies, its jobs die with it, for they are
tethered; the queue gives them to another worker, who goes on from their last checkpoints.
"""

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from tunesmith.backends.protocol import Backend, Ended, Execution
from tunesmith.errors import DatabaseUnavailable, LeaseLost, TunesmithError
from tunesmith.failpoints import failpoint
from tunesmith.jobs.folder import EVENTS, Outcome, read_outcome
from tunesmith.service.preparation import job_folder, prepare_folder
from tunesmith.service.progress import ProgressReader
from tunesmith.service.publishing import publish
from tunesmith.service.services import Services
from tunesmith.store import queue
from tunesmith.store.leases import LeaseWatch
from tunesmith.store.queue import Room
from tunesmith.store.tables import Job, JobStatus, Wish, Worker, new_id
from tunesmith.store.transitions import Lease

_log = logging.getLogger("tunesmith.worker")

_STOPPED = 130  # the exit code of a job that was asked to stop and can go on
_MEMORY_SHARE = 0.9  # of the machine's, what a worker offers if nothing else is set
_BEATS_PER_LEASE = 5


@dataclass
class _Held:
    """A job in this worker's hands."""

    job: Job
    lease: Lease
    room: Room
    execution: Execution
    progress: ProgressReader
    since: float  # by the monotonic clock
    wish: Wish | None = None
    ended: Ended | None = None


@dataclass
class WorkerLoop:
    """The state of one worker process.

    Attributes:
        services: what it stands on.
        backend: runs its jobs.
        size: what it offers.
        monotonic: the clock for leases and costs, which never jumps.
    """

    services: Services
    backend: Backend
    size: Room
    monotonic: Callable[[], float] = time.monotonic
    id: str = field(default_factory=lambda: new_id("worker"))
    _held: list[_Held] = field(default_factory=list[_Held])
    _next_beat: float = 0.0

    def __post_init__(self) -> None:
        """Begin to watch other workers' leases."""
        self._watch = LeaseWatch(self.services.config.lease_seconds)

    def run(self, should_stop: Callable[[], bool], *, idle_seconds: float = 0.2) -> None:
        """Work until `should_stop`; then let jobs save checkpoints and give them back."""
        while not should_stop():
            if not self.turn():
                time.sleep(idle_seconds)
        self._hand_back()

    def turn(self) -> bool:
        """One round: look after the jobs at hand, then take another; whether one was taken."""
        try:
            self._look_after_jobs()
            if self.monotonic() >= self._next_beat:
                self._beat()
            return self._take_job()
        except DatabaseUnavailable as error:
            _log.warning("%s; jobs at work go on", error.message)
            self._watch.forget()
            time.sleep(1)
            return False

    # --- jobs at hand ------------------------------------------------------------------------

    def _look_after_jobs(self) -> None:
        for held in list(self._held):
            held.ended = held.ended or held.execution.ended()
            if held.ended is not None:
                self._let_go(held)

    def _beat(self) -> None:
        """Say that this worker lives, hear what people wish, watch the other workers."""
        self._next_beat = self.monotonic() + self.services.config.lease_seconds / _BEATS_PER_LEASE
        self._say_hello()
        for held in list(self._held):
            step, total_steps = held.progress.read()
            try:
                with self.services.database.transaction() as db:
                    held.wish = queue.beat(
                        db,
                        held.lease,
                        step=step,
                        total_steps=total_steps,
                        seconds=self._seconds(held),
                    )
            except LeaseLost:
                self._drop(held)
                continue
            if held.wish == "cancel":
                held.execution.kill()
            elif held.wish == "pause":
                held.execution.stop()
        self._take_back_lost_jobs()

    def _take_back_lost_jobs(self) -> None:
        with self.services.database.reading() as db:
            held = queue.held_jobs(db)
        for lease, beat in self._watch.expired(held, at=self.monotonic()):
            with self.services.database.transaction() as db:
                job = queue.take_back(db, lease, seen_beat=beat, now=self.services.clock())
            if job is not None:
                _log.warning("job %s lost its worker and is %s", job.id, job.status)

    def _let_go(self, held: _Held) -> None:
        """A job's process has ended: publish what that means."""
        assert held.ended is not None
        failpoint("worker.before_publish")
        outcome = read_outcome(job_folder(self.services, held.job))
        try:
            if outcome is not None:
                status = self._publish(held, outcome)
            elif held.ended.was_killed and held.wish != "cancel":
                status = self._note_crash(held)
            else:
                status = self._note_end(held)
        except LeaseLost:
            self._drop(held)
            return
        failpoint("worker.after_publish")
        self._held.remove(held)
        _log.info("job %s is %s", held.job.id, status)

    def _publish(self, held: _Held, outcome: Outcome) -> JobStatus:
        now, seconds = self.services.clock(), self._seconds(held)
        with self.services.database.transaction() as db:
            found = outcome.model_dump(mode="json")
            job = queue.finish(
                db, held.lease, to="succeeded", seconds=seconds, now=now, outcome=found
            )
            publish(self.services, db, job, outcome, now=now)
            failpoint("worker.before_publish_commit")
            return job.status

    def _note_crash(self, held: _Held) -> JobStatus:
        assert held.ended is not None
        error = {
            "reason": "out_of_memory",
            "message": f"the system ended the job with signal {-held.ended.code}",
            "hint": "the usual cause is memory: lower training.batch_size or data.max_length, "
            "or give the job more",
        }
        now, seconds = self.services.clock(), self._seconds(held)
        with self.services.database.transaction() as db:
            return queue.crashed(db, held.lease, error=error, seconds=seconds, now=now).status

    def _note_end(self, held: _Held) -> JobStatus:
        assert held.ended is not None
        to, error = _verdict(held.ended, held.wish, held.progress)
        now, seconds = self.services.clock(), self._seconds(held)
        message = error["message"] if error else ""
        with self.services.database.transaction() as db:
            return queue.finish(
                db, held.lease, to=to, seconds=seconds, now=now, message=message, error=error
            ).status

    def _drop(self, held: _Held) -> None:
        """The job is in other hands: end our process, write nothing."""
        _log.warning("job %s is in other hands; dropped", held.job.id)
        held.execution.kill()
        self._held.remove(held)

    def _seconds(self, held: _Held) -> float:
        return self.monotonic() - held.since

    # --- the next job ------------------------------------------------------------------------

    def _take_job(self) -> bool:
        free = self.size
        for held in self._held:
            free = free - held.room
        if free.num_cores <= 0:
            return False
        with self.services.database.transaction() as db:
            job = queue.claim(
                db,
                worker_id=self.id,
                pool=self.services.config.pool,
                size=self.size,
                free=free,
                now=self.services.clock(),
            )
        if job is None:
            return False
        failpoint("worker.after_claim")
        self._start(job)
        return True

    def _start(self, job: Job) -> None:
        lease = Lease(job.id, job.token)
        room = self.size.needed_by(job)
        since = self.monotonic()
        try:
            folder = prepare_folder(self.services, job)
            execution = self.backend.start(folder, room=room)
        except DatabaseUnavailable:
            raise  # the lease runs out, and the job is taken again
        except TunesmithError as error:
            self._refuse(lease, error)
            return
        failpoint("worker.after_start")
        progress = ProgressReader(folder / EVENTS)
        self._held.append(_Held(job, lease, room, execution, progress, since))
        with self.services.database.transaction() as db:
            queue.start(db, lease, now=self.services.clock())

    def _refuse(self, lease: Lease, error: TunesmithError) -> None:
        facts = {"reason": error.reason, "message": error.message, "hint": error.hint}
        with self.services.database.transaction() as db:
            queue.finish(
                db,
                lease,
                to="failed",
                seconds=0.0,
                now=self.services.clock(),
                message=error.message,
                error=facts,
            )

    # --- coming and going --------------------------------------------------------------------

    def _say_hello(self) -> None:
        now = self.services.clock()
        with self.services.database.transaction() as db:
            worker = db.get(Worker, self.id)
            if worker is None:
                worker = Worker(
                    id=self.id,
                    host=socket.gethostname(),
                    pool=self.services.config.pool,
                    num_cores=self.size.num_cores,
                    memory_bytes=self.size.memory_bytes,
                    num_gpus=self.size.num_gpus,
                    beat=0,
                    started_at=now,
                )
                db.add(worker)
            worker.beat += 1
            worker.seen_at = now

    def _hand_back(self, *, patience_seconds: float = 60.0) -> None:
        """Stop the jobs at hand with a checkpoint each and put them back into the queue."""
        for held in self._held:
            held.execution.stop()
        deadline = self.monotonic() + patience_seconds
        while self._held and self.monotonic() < deadline:
            try:
                self._look_after_jobs()
                if self.monotonic() >= self._next_beat:
                    self._beat()
            except DatabaseUnavailable:
                self._watch.forget()
            time.sleep(0.05)
        for held in self._held:
            held.execution.kill()
        with self.services.database.transaction() as db:
            worker = db.get(Worker, self.id)
            if worker is not None:
                db.delete(worker)


def machine_size(services: Services) -> Room:
    """What this machine's worker offers, by its settings or all there is."""
    config = services.config
    memory = config.worker_memory or int(psutil.virtual_memory().total * _MEMORY_SHARE)
    return Room(config.worker_cores or len(os.sched_getaffinity(0)), memory, num_gpus=0)


def _verdict(
    ended: Ended, wish: Wish | None, progress: ProgressReader
) -> tuple[JobStatus, dict[str, str] | None]:
    """What it means that a job's process ended by itself without an outcome."""
    if wish == "cancel":
        return "cancelled", None
    if ended.code == _STOPPED:
        return ("paused" if wish == "pause" else "queued"), None
    return "failed", progress.error() or {
        "reason": "defect",
        "message": f"the job ended with exit code {ended.code} and said nothing",
        "hint": "its log shows where",
    }
