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
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

import psutil
from sqlalchemy.orm import Session

from tunesmith.backends.protocol import Backend
from tunesmith.errors import DatabaseUnavailable, LeaseLost
from tunesmith.failpoints import failpoint
from tunesmith.jobs.failures import event_of, failure_of
from tunesmith.jobs.folder import EVENTS, Outcome, read_outcome
from tunesmith.service.held_job import HeldJob, killed_by, silent
from tunesmith.service.preparation import job_folder, prepare_folder
from tunesmith.service.progress import ProgressReader
from tunesmith.service.publishing import publish
from tunesmith.service.services import Services
from tunesmith.store import queue
from tunesmith.store.claims import Room, claim
from tunesmith.store.leases import LeaseWatch
from tunesmith.store.tables import Job, JobStatus, new_id
from tunesmith.store.transitions import Lease
from tunesmith.store.workers import forget_worker, say_hello, worker_beats

_log = logging.getLogger("tunesmith.worker")

_MEMORY_SHARE = 0.9  # of the machine's, what a worker offers if nothing else is set
_BEATS_PER_LEASE = 8  # so that a lost job is noticed within 1 + 2/8 leases at most


@dataclass
class WorkerLoop:
    """The state of one worker process.

    Attributes:
        services: what it stands on.
        backend: runs its jobs.
        size: what it offers.
        inference_bytes: how much of its memory engines may take.
        engine_bytes: how much they take now; jobs get the rest.
        monotonic: the clock for leases and costs, which never jumps.
    """

    services: Services
    backend: Backend
    size: Room
    inference_bytes: int = 0
    engine_bytes: Callable[[], int] = lambda: 0
    monotonic: Callable[[], float] = time.monotonic
    id: str = field(default_factory=lambda: new_id("worker"))
    _held: list[HeldJob] = field(default_factory=list[HeldJob])
    _next_beat: float = 0.0

    def __post_init__(self) -> None:
        """Begin to watch other workers' leases."""
        lease_seconds = self.services.config.lease_seconds
        self._jobs_watch = LeaseWatch[Lease](lease_seconds)
        self._workers_watch = LeaseWatch[str](lease_seconds)

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
            self._forget_beats()
            time.sleep(1)
            return False

    def _forget_beats(self) -> None:
        self._jobs_watch.forget()
        self._workers_watch.forget()

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
                held.stop()
        self._watch_others()

    def _watch_others(self) -> None:
        with self.services.database.reading() as db:
            held, workers = queue.held_jobs(db), worker_beats(db)
        now = self.monotonic()
        for worker_id, beat in self._workers_watch.expired(workers, at=now):
            with self.services.database.transaction() as db:
                forget_worker(db, worker_id, seen_beat=beat)
        for lease, beat in self._jobs_watch.expired(held, at=now):
            with self.services.database.transaction() as db:
                job = queue.take_back(db, lease, seen_beat=beat, now=self.services.clock())
            if job is not None:
                _log.warning(
                    "job %s lost its worker and is %s", job.id, job.status, extra={"job_id": job.id}
                )

    def _let_go(self, held: HeldJob) -> None:
        """A job's process has ended: publish what that means."""
        failpoint("worker.before_publish")
        try:
            status = self._settle(held)
        except LeaseLost:
            self._drop(held)
            return
        failpoint("worker.after_publish")
        held.execution.kill()  # what it may have left behind
        self._held.remove(held)
        _log.info("job %s is %s", held.job.id, status, extra={"job_id": held.job.id})

    def _settle(self, held: HeldJob) -> JobStatus:
        try:
            outcome = read_outcome(job_folder(self.services, held.job))
            return self._note_end(held) if outcome is None else self._publish(held, outcome)
        except (DatabaseUnavailable, LeaseLost):
            raise
        except Exception as error:  # the trouble of this job is not that of the others
            return self._fail(held.job, error, seconds=self._seconds(held))

    def _publish(self, held: HeldJob, outcome: Outcome) -> JobStatus:
        now, seconds = self.services.clock(), self._seconds(held)
        with self.services.database.transaction() as db:
            found = outcome.model_dump(mode="json")
            job = queue.finish(
                db, held.lease, to="succeeded", seconds=seconds, now=now, outcome=found
            )
            publish(self.services, db, job, outcome, now=now)
            failpoint("worker.before_publish_commit")
            return job.status

    def _note_end(self, held: HeldJob) -> JobStatus:
        """The process ended without an outcome."""
        assert held.ended is not None
        now, seconds = self.services.clock(), self._seconds(held)
        with self.services.database.transaction() as db:
            if held.wish == "cancel":
                job = queue.finish(db, held.lease, to="cancelled", seconds=seconds, now=now)
            elif held.has_stopped:
                job = queue.give_back(db, held.lease, seconds=seconds, now=now)
            elif held.ended.was_killed:
                error = killed_by(-held.ended.code)
                job = queue.crashed(db, held.lease, error=error, seconds=seconds, now=now)
            else:
                error = held.progress.error() or silent(held.ended.code)
                job = _finish_failed(db, held.lease, error, seconds=seconds, now=now)
            return job.status

    def _fail(self, job: Job, error: Exception, *, seconds: float) -> JobStatus:
        """What was to be done for `job` cannot be done."""
        event = event_of(error, failure_of(error, kind=job.kind))
        _log.warning(
            "job %s: %s",
            job.id,
            event.message,
            exc_info=event.reason == "defect",
            extra={"job_id": job.id},
        )
        facts = {"reason": event.reason, "message": event.message, "hint": event.hint}
        with self.services.database.transaction() as db:
            lease = Lease(job.id, job.token)
            now = self.services.clock()
            return _finish_failed(db, lease, facts, seconds=seconds, now=now).status

    def _drop(self, held: HeldJob) -> None:
        """The job is in other hands: end our process, write nothing."""
        _log.warning(
            "job %s is in other hands; dropped", held.job.id, extra={"job_id": held.job.id}
        )
        held.execution.kill()
        self._held.remove(held)

    def _seconds(self, held: HeldJob) -> float:
        return self.monotonic() - held.since

    # --- the next job ------------------------------------------------------------------------

    def _take_job(self) -> bool:
        size = self.size - Room(0, self.engine_bytes(), 0)
        free = size
        for held in self._held:
            free = free - held.room
        if free.num_cores <= 0:
            return False
        with self.services.database.transaction() as db:
            job = claim(
                db,
                worker_id=self.id,
                pool=self.services.config.pool,
                size=size,
                free=free,
                now=self.services.clock(),
            )
        if job is None:
            return False
        failpoint("worker.after_claim")
        try:
            self._start(job)
        except LeaseLost:
            _log.warning(
                "job %s went into other hands before it started", job.id, extra={"job_id": job.id}
            )
        return True

    def _start(self, job: Job) -> None:
        """Start the process of `job`, which is noted first: who lost the job must not start it."""
        lease = Lease(job.id, job.token)
        room = (self.size - Room(0, self.engine_bytes(), 0)).needed_by(job)
        since = self.monotonic()
        try:
            folder = prepare_folder(self.services, job)
            failpoint("worker.after_prepare")
            if not self._may_start(lease):
                return
            failpoint("worker.before_start")
            execution = self.backend.start(folder, room=room)
        except (DatabaseUnavailable, LeaseLost):
            raise  # the lease runs out, or has, and the job is taken again
        except Exception as error:  # the trouble of this job is not that of the others
            self._fail(job, error, seconds=self.monotonic() - since)
            return
        failpoint("worker.after_start")
        progress = ProgressReader(folder / EVENTS)
        self._held.append(HeldJob(job, lease, room, execution, progress, since))

    def _may_start(self, lease: Lease) -> bool:
        """Note that the job runs; False if a person wants it paused or cancelled by now."""
        now = self.services.clock()
        with self.services.database.transaction() as db:
            wish = queue.start(db, lease, now=now)
            if wish is not None:
                queue.give_back(db, lease, seconds=0.0, now=now)
        return wish is None

    # --- coming and going --------------------------------------------------------------------

    def _say_hello(self) -> None:
        with self.services.database.transaction() as db:
            say_hello(
                db,
                self.id,
                host=socket.gethostname(),
                pool=self.services.config.pool,
                size=self.size,
                inference_bytes=self.inference_bytes,
                now=self.services.clock(),
            )

    def _hand_back(self, *, patience_seconds: float = 60.0) -> None:
        """Stop the jobs at hand with a checkpoint each and put them back into the queue."""
        for held in self._held:
            held.stop()
        deadline = self.monotonic() + patience_seconds
        while self._held and self.monotonic() < deadline:
            try:
                self._look_after_jobs()
                if self.monotonic() >= self._next_beat:
                    self._beat()
            except DatabaseUnavailable:
                self._forget_beats()
            time.sleep(0.05)
        for held in self._held:  # their leases run out
            held.execution.kill()
        with suppress(DatabaseUnavailable), self.services.database.transaction() as db:
            forget_worker(db, self.id)


def machine_size(services: Services) -> Room:
    """What this machine's worker offers, by its settings or all there is."""
    config = services.config
    memory = config.worker_memory or int(psutil.virtual_memory().total * _MEMORY_SHARE)
    return Room(config.worker_cores or len(os.sched_getaffinity(0)), memory, num_gpus=0)


def inference_share(services: Services, size: Room) -> int:
    """How much of a worker's memory engines may take."""
    return services.config.inference_memory or size.memory_bytes // 2


def _finish_failed(
    db: Session, lease: Lease, error: dict[str, str], *, seconds: float, now: datetime
) -> Job:
    message = error["message"]
    return queue.finish(
        db, lease, to="failed", seconds=seconds, now=now, message=message, error=error
    )
