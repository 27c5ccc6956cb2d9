"""A whole installation for a proof: the real commands as processes that can be killed."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr
from sqlalchemy import select

from tests.api.serving import free_port
from tests.conftest import make_tiny_model
from tests.databases import PostgresServer
from tunesmith.artifacts import commit_folder
from tunesmith.service import people
from tunesmith.service.config import ServiceConfig
from tunesmith.service.services import Services, open_services
from tunesmith.store.home import Home
from tunesmith.store.tables import Job, Worker

BASE_MODEL = "smollm2-135m"  # a name of the catalog, under which a tiny model lies
DATASET = "counting"
LEASE_SECONDS = 3.0
_BOUNDARY = "rows-end-here"
PATIENCE_SECONDS = 300.0  # for what must happen; far more than it takes on a busy machine


class Process:
    """A command of Tunesmith at work, in a folder of its own that holds its log."""

    def __init__(self, command: str, *, environment: dict[str, str], folder: Path) -> None:
        folder.mkdir()
        self.log = folder / "log"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tunesmith.cli.main", command],
                cwd=folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it as `kill -9` does."""
        self._process.kill()
        self._process.wait()


class Unreachable(Exception):
    """The server did not answer: whether it did what was asked is not known."""


class Refused(Exception):
    """The server answered that it will not."""


@dataclass
class Installation:
    """A home, its database and its processes, within a `with`.

    Attributes:
        folder: of everything.
        postgres: the server to keep the database on; None is SQLite.
        lease_seconds: of the workers.
    """

    folder: Path
    postgres: PostgresServer | None = None
    lease_seconds: float = LEASE_SECONDS
    processes: list[Process] = field(default_factory=list[Process])
    accepted: set[str] = field(default_factory=set[str])  # ids of jobs that the server answered

    def __enter__(self) -> Self:
        self.home = Home(self.folder / "home")
        self._url = None if self.postgres is None else self.postgres.create(self.folder.name)
        self.port = free_port()
        self.services = self._open()
        secret = people.ensure_setup_secret(self.services)
        assert secret is not None
        founded = people.found(
            self.services, secret=secret, email="a@b.c", password="0123456789", tenant="acme"
        )
        self._key = founded.key
        commit_folder(
            self.home.models / BASE_MODEL,
            kind="base-model",
            write=lambda target: make_tiny_model(target) and None,
        )
        return self

    def _open(self) -> Services:
        url = None if self._url is None else SecretStr(self._url)
        return open_services(ServiceConfig(database=url), self.home)

    def __exit__(self, *error: object) -> None:
        for process in self.processes:
            process.kill()
        self.services.database.close()

    # --- processes ---------------------------------------------------------------------------

    def start_server(self, **environment: str) -> Process:
        return self._start("server", environment)

    def start_worker(self, **environment: str) -> Process:
        return self._start("worker", environment)

    def start_known_worker(self) -> tuple[str, Process]:
        """A worker and its id, which it says with its first hello."""
        known = set(self._worker_ids())
        process = self.start_worker()
        new = wait_for(lambda: set(self._worker_ids()) - known, what="a worker's first hello")
        return new.pop(), process

    def _worker_ids(self) -> list[str]:
        with self.services.database.reading() as db:
            return list(db.scalars(select(Worker.id)))

    def _start(self, command: str, environment: dict[str, str]) -> Process:
        settings = {
            "TUNESMITH_HOME": str(self.home.folder),
            "TUNESMITH_PORT": str(self.port),
            "TUNESMITH_LEASE_SECONDS": str(self.lease_seconds),
            "TUNESMITH_WORKER_CORES": "1",
        }
        if self._url is not None:
            settings["TUNESMITH_DATABASE"] = self._url
        folder = self.folder / f"{command}-{len(self.processes)}"
        process = Process(command, environment={**settings, **environment}, folder=folder)
        self.processes.append(process)
        return process

    # --- as a client -------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """One request; `key` is its Idempotency-Key."""
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        return self._send(
            method, path, None if body is None else json.dumps(body).encode(), headers
        )

    def follow(
        self, path: str, *, headers: dict[str, str]
    ) -> AbstractContextManager[Iterable[bytes]]:
        """The lines of an answer as they come."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            headers={**headers, "authorization": f"Bearer {self._key}"},
        )
        return urllib.request.urlopen(request, timeout=60)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            headers={**headers, "authorization": f"Bearer {self._key}"},
            data=body,
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Refused(f"{method} {path}: {error.code} {error.read().decode()}") from error
        except (OSError, HTTPException, ValueError) as error:  # refused, reset, half an answer
            raise Unreachable(str(error)) from error

    def answers(self) -> bool:
        """Whether the server serves reads."""
        try:
            return self.ask("GET", "/health")["status"] == "ok"
        except Unreachable:
            return False

    def submit(self, job: dict[str, Any], *, key: str) -> str:
        """The id of the job that is asked for under `key`, of one server or the next."""
        return wait_for(lambda: self._try_to_submit(job, key), what="an answer to a submit")

    def _try_to_submit(self, job: dict[str, Any], key: str) -> str | None:
        try:
            return self.submit_once(job, key=key)
        except Unreachable:
            return None

    def submit_once(self, job: dict[str, Any], *, key: str) -> str:
        """The id of the job that is asked for under `key`, if this server lives to tell it."""
        job_id = self.ask("POST", "/api/v1/jobs", {"job": job}, key=key)["id"]
        self.accepted.add(job_id)
        return job_id

    def row(self, job_id: str) -> Job:
        """A job as the database knows it."""
        with self.services.database.reading() as db:
            return db.get_one(Job, job_id)

    def upload(self, rows: Sequence[str]) -> str:
        """The id of an uploaded file of `rows`."""
        part = 'content-disposition: form-data; name="file"; filename="rows.jsonl"'
        body = "\r\n".join([f"--{_BOUNDARY}", part, "", *rows, f"--{_BOUNDARY}--", ""]).encode()
        headers = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
        return self._send("POST", "/api/v1/files", body, headers)["id"]


def wait_for(answer: Callable[[], Any], *, what: str, seconds: float = PATIENCE_SECONDS) -> Any:
    """The first answer that is not nothing.

    Raises:
        TimeoutError: there was none in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = answer()
        if found:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"waited {seconds:.0f} s for {what}")
