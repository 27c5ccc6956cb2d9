"""R1 and R13: processes are killed at random while a queue is worked off."""

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from tests.proofs.chaos import work
from tests.proofs.chaos.figures import Figure, none_of, percentile
from tests.proofs.chaos.history import JobHistory, keep, read_histories
from tests.proofs.chaos.installation import Installation, Process, wait_for
from tunesmith.store.tables import Job

NUM_WORKERS = 2
_LONGEST_LIFE = 4.0  # seconds after it is up within which a victim is killed


@dataclass
class _Killer:
    """Keeps a server and workers going, and kills one of them now and then."""

    site: Installation
    chance: random.Random
    server: Process = field(init=False)
    workers: dict[str, Process] = field(default_factory=dict[str, Process])
    killed_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    server_seconds: list[float] = field(default_factory=list[float])

    def start(self) -> None:
        self.server = self.site.start_server()
        for _ in range(NUM_WORKERS):
            self._add_worker()
        wait_for(self.site.answers, what="the server")

    def strike(self) -> None:
        """Kill one process, at a random time, and put another in its place."""
        time.sleep(self.chance.uniform(0, _LONGEST_LIFE))
        victim = self.chance.choice(["server", *self.workers])
        if victim == "server":
            self.server.kill()
            began = time.monotonic()
            self.server = self.site.start_server()
            wait_for(self.site.answers, what="the server")
            self.server_seconds.append(time.monotonic() - began)
        else:
            self.workers.pop(victim).kill()
            self.killed_at[victim] = datetime.now(UTC)
            self._add_worker()

    def _add_worker(self) -> None:
        worker_id, process = self.site.start_known_worker()
        self.workers[worker_id] = process


def run_kills(
    site: Installation, *, num_kills: int, num_jobs: int, seed: int, history: Path
) -> Iterator[Figure]:
    """Kill `num_kills` processes over a queue of at least `num_jobs` jobs."""
    chance = random.Random(seed)
    killer = _Killer(site, chance)
    killer.start()
    names = work.NAMES[:num_jobs]
    expected = work.prepare(site, names)
    for number in range(num_jobs):
        site.submit(work.training(chance.choice(names)), key=f"job {number}")
    for number in range(num_kills):
        killer.strike()
        if _num_waiting(site) <= NUM_WORKERS:  # there must be work to disturb
            site.submit(work.training(chance.choice(names)), key=f"further job {number}")
    work.wait_for_end(site, site.accepted)
    histories = read_histories(site.services)
    keep(histories, history)
    faults = work.check(histories, site.accepted, expected=expected)
    measured = f"{num_kills} kills, {len(histories)} jobs, {_num_tries(histories)} attempts"
    yield none_of("R1 random kills", work.GOAL, measured, faults)
    yield _worker_recovery(histories, killer, lease_seconds=site.lease_seconds)
    yield _server_recovery(killer)


def _num_waiting(site: Installation) -> int:
    with site.services.database.reading() as db:
        return db.scalars(select(func.count()).where(Job.status == "queued")).one()


def _num_tries(histories: list[JobHistory]) -> int:
    return sum(len(history.tries) for history in histories)


def _worker_recovery(
    histories: list[JobHistory], killer: _Killer, *, lease_seconds: float
) -> Figure:
    """From a worker's death until its job is back in the queue."""
    seconds = [
        (turn.time - killer.killed_at[worker_id]).total_seconds()
        for history in histories
        for turn in history.turns
        for worker_id in killer.killed_at
        if turn.message == f"worker {worker_id} was lost"
    ]
    target = lease_seconds + 5
    name, goal = "R13 recovery of a worker's jobs", f"p99 <= lease + 5 s = {target:.0f} s"
    return _times(name, goal, seconds, most=target)


def _server_recovery(killer: _Killer) -> Figure:
    goal = "p99 <= 3 s until it serves reads"
    return _times("R13 recovery of the server", goal, killer.server_seconds, most=3.0)


def _times(name: str, goal: str, seconds: list[float], *, most: float) -> Figure:
    if not seconds:
        return Figure(name, goal, "no such kill", is_met=True)
    p50, p99 = percentile(seconds, 0.5), percentile(seconds, 0.99)
    measured = f"p50 {p50:.1f} s, p99 {p99:.1f} s over {len(seconds)}"
    return Figure(name, goal, measured, is_met=p99 <= most)
