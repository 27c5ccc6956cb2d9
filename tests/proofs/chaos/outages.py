"""R15: the database is away while a training runs."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from tests.proofs.chaos import work
from tests.proofs.chaos.figures import Figure, none_of
from tests.proofs.chaos.history import keep, read_histories
from tests.proofs.chaos.installation import Installation, wait_for
from tunesmith.events import read_events
from tunesmith.jobs.folder import EVENTS
from tunesmith.service.preparation import job_folder


def run_outage(
    site: Installation, *, seconds: float, epochs: int, history: Path
) -> Iterator[Figure]:
    """Take the database away from a training at work and two workers, then give it back.

    PostgreSQL is stopped for `seconds`; SQLite, which cannot be away, is locked for half as long.
    """
    server = site.start_server()
    workers = [site.start_worker() for _ in range(2)]
    wait_for(site.answers, what="the server")
    work.prepare(site, [])
    job_id = work.submit_long_training(site, epochs=epochs)
    token = site.row(job_id).token
    with _outage(site):
        began = datetime.now(UTC)
        time.sleep(seconds if site.postgres else seconds / 2)
        ended = datetime.now(UTC)
    faults = [] if server.is_alive else ["the server died"]
    faults += ["a worker died" for worker in workers if not worker.is_alive]
    wait_for(site.answers, what="the server")
    waiting = site.submit(work.training("short"), key="after the outage")
    work.wait_for_end(site, [job_id, waiting])
    events = read_events(job_folder(site.services, site.row(job_id)) / EVENTS, after=0)
    times = [datetime.fromisoformat(event["time"]) for event in events if event["kind"] == "step"]
    num_steps = sum(began < time < ended for time in times)
    faults += [] if num_steps else ["training stood still"]
    faults += [] if site.row(job_id).token == token + 1 else ["the training changed hands"]
    histories = read_histories(site.services)
    keep(histories, history)
    faults += work.check(histories, site.accepted, expected={})
    goal = "training goes on, nothing lost"
    away = (ended - began).total_seconds()
    measured = f"away {away:.0f} s, {num_steps} steps meanwhile"
    yield none_of("R15 database away", goal, measured, faults)


@contextmanager
def _outage(site: Installation) -> Generator[None]:
    """Within, the database is away."""
    if site.postgres is not None:
        site.postgres.stop()
        yield
        site.postgres.start()
        return
    with site.services.database.transaction() as db:  # which keeps all other writers out
        db.execute(text("SELECT 1"))
        yield
