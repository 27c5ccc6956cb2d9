"""A real service for tests: server and worker as processes of their own, on a free port."""

import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from sqlalchemy import select

from tests.cli.command import environment_for
from tests.conftest import make_tiny_model
from tunesmith.artifacts import commit_folder
from tunesmith.service import keys, people
from tunesmith.service.config import ServiceConfig
from tunesmith.service.services import Services, open_services
from tunesmith.store.home import Home
from tunesmith.store.tables import Role, Tenant

PASSWORD = "a password of tests"
OWNER = "owner@example.org"
TENANT = "acme"
BASE = "smollm2-135m"  # a tiny model stands in for it

# Workers beat five times a lease: what people wish of a job is heard within 0.4 s.
_SETTINGS = {"TUNESMITH_LEASE_SECONDS": "2"}
_PATIENCE_SECONDS = 180


@dataclass
class Served:
    """A running installation. `key` is its first owner's, `admin_key` its operator's."""

    home: Path
    services: Services  # on the same database, for what a test sets up or looks at
    port: int
    key: str
    admin_key: str
    settings: Mapping[str, str]
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *names: str) -> None:
        """Start `server`, `worker`, or further workers as `worker-ANY`; the server then answers."""
        for name in names:
            command = [sys.executable, "-m", "tunesmith.cli.main", name.partition("-")[0]]
            command += ["--port", str(self.port)] if name == "server" else []
            with (self.home / f"{name}.log").open("ab") as log:
                self._processes[name] = subprocess.Popen(
                    command,
                    stdout=log,
                    stderr=log,
                    env={**environment_for(self.home), **_SETTINGS, **self.settings},
                    start_new_session=True,
                )
        if "server" in names:
            self._await_answer()

    def _await_answer(self) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            assert self._processes["server"].poll() is None, self.log("server")
            try:
                urllib.request.urlopen(f"{self.address}/health", timeout=5).close()
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the server does not answer: {self.log('server')}")

    def process_id(self, name: str) -> int:
        """Of `server` or a worker."""
        return self._processes[name].pid

    def log(self, name: str) -> str:
        """What `server` or a worker said."""
        return (self.home / f"{name}.log").read_text("utf-8")

    def cpu_seconds(self, name: str) -> float:
        """What `server` or `worker` has computed so far, however busy the machine is."""
        times = psutil.Process(self._processes[name].pid).cpu_times()
        return times.user + times.system

    def end(self, name: str, *, by: signal.Signals = signal.SIGTERM) -> None:
        """End `server` or a worker: with SIGTERM as an operator, with SIGKILL as bad luck."""
        process = self._processes.pop(name)
        process.send_signal(by)
        process.wait(timeout=_PATIENCE_SECONDS)

    def end_all(self) -> None:
        """End what runs; a worker takes its jobs along."""
        for name in list(self._processes):
            self.end(name, by=signal.SIGKILL)

    def add_member(self, email: str, *, tenant: str = TENANT, role: Role = "owner") -> str:
        """A new person in a tenant, which is made if need be; returns a key of theirs."""
        now = self.services.clock()
        with self.services.database.transaction() as db:
            found = db.scalars(select(Tenant).where(Tenant.name == tenant)).one_or_none()
            tenant_id = (found or people.add_tenant(db, tenant, now=now)).id
        member = people.add_member(
            self.services, tenant_id, email=email, role=role, password=PASSWORD
        )
        with self.services.database.transaction() as db:
            return keys.insert_key(
                db, member.person_id, tenant_id, name="test", kind="key", now=now
            )


@contextmanager
def serving(
    folder: Path, *processes: str, settings: Mapping[str, str] | None = None, **model: object
) -> Generator[Served]:
    """An installation in `folder` with one tenant, its owner and the base model `BASE`.

    `processes`, of `server` and `worker`, are started; `settings` are TUNESMITH_* variables.
    `model` changes the sizes of the base model.
    """
    home = folder / "home"

    def write(target: Path) -> None:
        make_tiny_model(target, **model)

    commit_folder(home / "models" / BASE, kind="base-model", write=write)
    services = open_services(ServiceConfig(), Home(home))
    secret = people.ensure_setup_secret(services)
    assert secret is not None
    founded = people.found(services, secret=secret, email=OWNER, password=PASSWORD, tenant=TENANT)
    served = Served(home, services, free_port(), founded.key, founded.admin_key, settings or {})
    try:
        served.start(*processes)
        yield served
    finally:
        served.end_all()
        services.database.close()


def free_port() -> int:
    """A port to listen on, below those that Linux gives to connections: one might be faster."""
    while True:
        port = random.randrange(20_000, 32_768)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
