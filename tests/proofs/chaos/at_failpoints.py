"""R2: processes are killed at every named place, again and again."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.proofs.chaos import work
from tests.proofs.chaos.figures import Figure, none_of
from tests.proofs.chaos.history import keep, read_histories
from tests.proofs.chaos.installation import DATASET, Installation, Unreachable, wait_for
from tests.training.runs import counting_rows
from tunesmith.artifacts import sha256_file
from tunesmith.service.files import file_path
from tunesmith.store.tables import File

_TRAINING = "short"

_COMMIT = ("before_write", "before_manifest", "before_rename", "after_rename")

# By the process that passes them. Numbers say how often a small job is sure to pass.
IN_SERVER = ("file.before_rename", "file.before_row", "submit.before_commit",
             "submit.after_commit", "steer.before_commit")  # fmt: skip
IN_WORKER = ("queue.before_claim_commit", "worker.after_claim", "worker.after_prepare",
             "queue.before_start_commit", "worker.before_start", "worker.after_start",
             "queue.before_beat_commit", "worker.before_publish", "worker.before_publish_commit",
             "worker.after_publish", "queue.before_take_back_commit")  # fmt: skip
IN_IMPORT: Mapping[str, int] = {
    "job.before_stage": 1,
    **{f"dataset.{step}": 1 for step in _COMMIT},
    "events.after_append": 2,
    "job.before_outcome": 1,
    "job.after_outcome": 1,
}
IN_TRAINING: Mapping[str, int] = {
    **{f"tokens.{step}": 1 for step in _COMMIT},
    "loop.after_step": 40,
    **{f"checkpoint.{step}": 4 for step in _COMMIT},
    **{f"adapter.{step}": 1 for step in _COMMIT},
}

PLACES = (*IN_SERVER, *IN_WORKER, *IN_IMPORT, *IN_TRAINING)


def run_failpoints(
    site: Installation, *, repeats: int, places: Sequence[str], seed: int, history: Path
) -> Iterator[Figure]:
    """Kill `repeats` times at each of `places`."""
    trials = _Trials(site, repeats, random.Random(seed))
    expected = trials.prepare()
    for name in places:
        trials.at(name)
    histories = read_histories(site.services)
    keep(histories, history)
    faults = work.check(histories, site.accepted, expected=expected)
    faults += _faults_of_files(site)
    measured = f"{len(places)} places x {repeats} kills, {len(histories)} jobs"
    yield none_of("R2 kills at named places", work.GOAL, measured, faults)


@dataclass
class _Trials:
    """Kills at one place after the other, with a plain server to submit jobs to."""

    site: Installation
    repeats: int
    chance: random.Random
    _num_jobs: int = 0

    def prepare(self) -> Mapping[str, str]:
        """The digest that an undisturbed training ends with, by its name."""
        self._server = self.site.start_server()
        worker = self.site.start_worker()
        wait_for(self.site.answers, what="the server")
        expected = work.prepare(self.site, [_TRAINING])
        worker.kill()
        return expected

    def at(self, name: str) -> None:
        """Kill at `name`, in whichever process passes it."""
        if name in IN_SERVER:
            self._in_server(name)
        elif name in IN_WORKER:
            self._in_worker(name)
        else:
            self._in_job(name)

    # --- the server dies ---------------------------------------------------------------------

    def _in_server(self, name: str) -> None:
        """Kill a server at `name` in each of several requests; then the client asks again."""
        requests = [self._request(name) for _ in range(self.repeats)]
        self._server.kill()
        for request in requests:
            armed = self.site.start_server(TUNESMITH_FAILPOINT=f"{name}:1")
            wait_for(self.site.answers, what="the server")
            with pytest.raises(Unreachable):
                request()
            wait_for(lambda armed=armed: not armed.is_alive, what=f"a kill at {name}")
        self._server = self.site.start_server()
        wait_for(self.site.answers, what="the server")
        for request in requests:
            request()
        self._work_off()

    def _request(self, name: str) -> Callable[[], object]:
        """A request that passes `name`, and may be sent again."""
        job, key = self._new_import(), f"job {self._num_jobs}"
        if name.startswith("file."):
            return lambda: self.site.upload(counting_rows())
        if name.startswith("submit."):
            return lambda: self.site.submit_once(job, key=key)
        job_id = self.site.submit(job, key=key)
        self.site.ask("POST", f"/api/v1/jobs/{job_id}/pause")
        return lambda: self.site.ask("POST", f"/api/v1/jobs/{job_id}/resume")

    # --- a worker dies -----------------------------------------------------------------------

    def _in_worker(self, name: str) -> None:
        """Kill worker after worker at `name`, each while it looks after one of several jobs."""
        # An import may be done before the first beat is due.
        is_beat = name == "queue.before_beat_commit"
        self._submit((lambda: self._new_training(name)) if is_beat else self._new_import)
        if name == "queue.before_take_back_commit":  # somebody has to lose a job first
            self._kill_worker_at("worker.after_claim")
        for _ in range(self.repeats):
            self._kill_worker_at(name)
        self._work_off()

    def _kill_worker_at(self, name: str) -> None:
        worker = self.site.start_worker(TUNESMITH_FAILPOINT=f"{name}:1")
        wait_for(lambda: not worker.is_alive, what=f"a kill at {name}")

    # --- a job's process dies ----------------------------------------------------------------

    def _in_job(self, name: str) -> None:
        """Kill each of several jobs once at `name`; where, its own folder remembers."""
        new_job = self._new_import if name in IN_IMPORT else lambda: self._new_training(name)
        passage = self.chance.randint(1, (IN_IMPORT | IN_TRAINING)[name])
        self._submit(new_job)
        self._work_off(TUNESMITH_FAILPOINT=f"{name}:{passage}:killed-{name}")
        num_killed = sum(1 for _ in self.site.home.folder.rglob(f"killed-{name}"))
        assert num_killed == self.repeats, f"{name}:{passage} was reached in {num_killed} jobs"

    # --- shared ------------------------------------------------------------------------------

    def _new_import(self) -> dict[str, Any]:
        """An import of examples that nobody imported yet."""
        self._num_jobs += 1
        file = self.site.upload(counting_rows(first=self._num_jobs))
        return {"kind": "import", "name": f"{DATASET}-{self._num_jobs}", "file": file}

    def _new_training(self, name: str) -> dict[str, Any]:
        """A training; for places in tokenizing, one whose tokens nobody made yet."""
        self._num_jobs += 1
        training = work.training(_TRAINING)
        if name.startswith("tokens."):
            training["recipe"]["name"] = f"tokens-{self._num_jobs}"
            training["recipe"]["data"]["max_length"] = 512 + self._num_jobs
        return training

    def _submit(self, new_job: Callable[[], dict[str, Any]]) -> None:
        for _ in range(self.repeats):
            self.site.submit(new_job(), key=f"job {self._num_jobs}")

    def _work_off(self, **environment: str) -> None:
        """Let workers finish whatever waits."""
        workers = [self.site.start_worker(**environment) for _ in range(2)]
        work.wait_for_end(self.site, self.site.accepted)
        for worker in workers:
            worker.kill()


def _faults_of_files(site: Installation) -> list[str]:
    """Uploaded files that are in the table but not whole on the disk."""
    with site.services.database.reading() as db:
        files = db.scalars(select(File)).all()
    return [
        f"file {file.id} is damaged"
        for file in files
        if sha256_file(file_path(site.services, file.tenant_id, file.id)) != file.sha256
    ]
