"""R4: the server is killed as soon as it has accepted a job, or while it does."""

import random
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Timer
from typing import Any

from sqlalchemy import select

from tests.forks import PROCESSES
from tests.proofs.chaos.figures import Figure, none_of
from tests.proofs.chaos.installation import Installation, Unreachable, wait_for
from tests.training.runs import counting_rows
from tunesmith.service.config import ServiceConfig
from tunesmith.store.home import Home
from tunesmith.store.tables import Job

_LONGEST_LIFE = 0.05  # seconds between the answer, or the request, and the kill


def run_submits(site: Installation, *, num_submits: int, seed: int) -> Iterator[Figure]:
    """Submit `num_submits` jobs, each to a server that is killed right after its answer.

    Every second time the kill is timed from the request instead, so that it also comes before the
    commit, or between commit and answer. Then the next server is asked for the same again.
    """
    chance = random.Random(seed)
    faults: list[str] = []
    server = _start(site)
    file = site.upload(counting_rows())
    for number in range(num_submits):
        job = {"kind": "import", "name": f"data-{number}", "file": file}
        key, life = f"submit {number}", chance.uniform(0, _LONGEST_LIFE)
        first = _submit_in_danger(site, job, key, Timer(life, server.kill), at_once=number % 2 == 1)
        server.join()
        server = _start(site)
        again = site.submit(job, key=key)
        if first not in (None, again):
            faults.append(f"{key}: {first} was accepted, then {again}")
    server.kill()
    server.join()
    with site.services.database.reading() as db:
        kept = set(db.scalars(select(Job.id)))
    faults += [f"{job_id} was accepted and is lost" for job_id in site.accepted - kept]
    faults += [f"{job_id} was made twice" for job_id in kept - site.accepted]
    goal = "0 accepted jobs missing, 0 keys with two"
    yield none_of("R4 kills right after the 201", goal, f"{num_submits} submits", faults)


def _submit_in_danger(
    site: Installation, job: dict[str, Any], key: str, killing: Timer, *, at_once: bool
) -> str | None:
    """Submit while `killing` runs, from now on or from the answer on; None without an answer."""
    if at_once:
        killing.start()
    try:
        answer = site.submit_once(job, key=key)
    except Unreachable:
        answer = None
    if not at_once:
        killing.start()
    killing.join()
    return answer


def _start(site: Installation) -> BaseProcess:
    config = ServiceConfig(port=site.port, database=site.services.config.database)
    server = PROCESSES.Process(target=_serve, args=(config, site.home.folder), daemon=True)
    server.start()
    wait_for(site.answers, what="the server")
    return server


def _serve(config: ServiceConfig, folder: Path) -> None:
    from tunesmith.api.server import serve
    from tunesmith.service.services import open_services

    serve(open_services(config, Home(folder)))
