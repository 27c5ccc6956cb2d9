"""Keeps one engine: its process alive, and loaded in it what its deployments ask for.

A thread of its own for each engine, since loading takes its time. It writes to the database only
under its lease.
"""

import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tunesmith.backends.protocol import Backend, Execution
from tunesmith.errors import DatabaseUnavailable, LeaseLost, TunesmithError
from tunesmith.failpoints import failpoint
from tunesmith.jobs.engine_folder import EngineSpec, read_refusal, write_engine
from tunesmith.service.budget import Budget
from tunesmith.service.engine_address import engine_address, free_port
from tunesmith.service.engine_plan import (
    Place,
    Reason,
    adapter_bytes,
    adapter_folder,
    base_folder,
    too_large,
    waits_for_room,
)
from tunesmith.service.rollouts import explain_wait, fail_deployment
from tunesmith.service.services import Services
from tunesmith.serving.engines import ENGINES
from tunesmith.serving.spec import ServeSpec
from tunesmith.store import engines
from tunesmith.store.claims import Room
from tunesmith.store.engines import EngineLease
from tunesmith.store.tables import Deployment, InferenceEngine

_log = logging.getLogger("tunesmith.keeper")

_LOOK_SECONDS = 0.2  # between two looks at what is asked for
_START_SECONDS = 600.0  # a process that does not answer by then never will
_LOAD_SECONDS = 120.0
_DRAIN_SECONDS = 60.0  # for answers under way when nothing is asked for any more
_QUICK_SECONDS = 60.0  # a process that dies sooner died quickly
MAX_QUICK_DEATHS = 3  # in a row
_RESTART_SECONDS = 0.5
_CHECK_SECONDS = 10.0  # between two questions whether it lives
_STUCK_SECONDS = 60.0  # without an answer


@dataclass
class Minder:
    """One engine in this worker's hands.

    Attributes:
        services: what it stands on.
        backend: starts its process.
        budget: the worker's memory for engines; what is held of it goes back at the end.
        engine: the row, as it was when it was taken.
        lease: under which everything is written.
        num_cores: for its process.
    """

    services: Services
    backend: Backend
    budget: Budget
    engine: InferenceEngine
    lease: EngineLease
    num_cores: int
    monotonic: Callable[[], float] = time.monotonic
    _execution: Execution | None = None
    _loaded: dict[str, int] = field(default_factory=dict[str, int])  # adapters and their bytes
    _quick_deaths: int = 0
    _answered_at: float = 0.0

    def __post_init__(self) -> None:
        """Begin in a thread of its own."""
        self._ending = threading.Event()
        self._is_lost = False
        # Of this machine alone: its processes are evicted from it, those of others cannot be.
        engines_folder = self.services.installation.folder / "engines"
        self._folder = engines_folder / self.engine.id / socket.gethostname()
        self._thread = threading.Thread(target=self._run, name=self.engine.id, daemon=True)

    def start(self) -> None:
        """Begin to look after the engine."""
        self._thread.start()

    @property
    def has_ended(self) -> bool:
        """Whether it looks after nothing any more."""
        return not self._thread.is_alive()

    def drop(self) -> None:
        """The engine is in other hands: end its process, write nothing."""
        self._is_lost = True
        self._ending.set()

    def end(self) -> None:
        """Let go of the engine."""
        self._ending.set()

    def wait(self) -> None:
        """Return when it has ended."""
        self._thread.join()

    # --- in its thread -----------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._is_wanted():
                self._live()
        except LeaseLost:
            self._is_lost = True
        except DatabaseUnavailable as error:
            _log.warning("%s; engine %s is let go", error.message, self.engine.id)
        except TunesmithError as error:
            _log.warning("engine %s is given up: %s", self.engine.id, error)
            with suppress(TunesmithError):
                self._fail_all(error.message, error.hint)
        except Exception as error:
            _log.exception("engine %s is given up", self.engine.id)
            with suppress(TunesmithError):
                self._fail_all(f"unexpected {type(error).__name__}", "the worker's log shows more")
        finally:
            self._kill()
            self._let_go()
            self.budget.give_back(self.engine.id)

    def _is_wanted(self) -> bool:
        while not self._ending.is_set():
            try:
                with self.services.database.reading() as db:
                    return bool(engines.live_on(db, self.engine.id))
            except DatabaseUnavailable as error:
                _log.warning("%s; engine %s goes on", error.message, self.engine.id)
                self._ending.wait(1.0)
        return False

    def _live(self) -> None:
        """One life of its process, from its start to its death."""
        began = self.monotonic()
        client = self._start()
        if client is not None:
            with closing(client):
                self._look_after(client)
        ended = self._execution.ended() if self._execution is not None else None
        self._kill()
        if ended is None or self._ending.is_set():
            return
        is_quick = self.monotonic() - began < _QUICK_SECONDS
        self._quick_deaths = self._quick_deaths + 1 if is_quick else 1
        self._note_death(code=ended.code)
        self._ending.wait(_RESTART_SECONDS)

    # --- its process -------------------------------------------------------------------------

    def _start(self) -> httpx2.Client | None:
        """Start a process; the client that speaks to it once it answers, None if it never did."""
        with self.services.database.reading() as db:
            folder = base_folder(self.services, db, self.engine.base)
        secret = secrets.token_urlsafe(24)
        host = self.services.config.engine_host
        spec = ServeSpec(
            name=self.engine.base, base=str(folder), key=secret, host=host, port=free_port(host)
        )
        write_engine(self._folder, EngineSpec(kind=self.engine.kind, serve=spec))
        failpoint("keeper.before_start")
        self.budget.give_back(self.engine.id, sum(self._loaded.values()))
        self._loaded = {}
        room = Room(self.num_cores, self.budget.held_by(self.engine.id), num_gpus=0)
        self._execution = self.backend.start_engine(self._folder, room=room)
        address = engine_address(host, spec.port)
        client = httpx2.Client(
            base_url=address,
            headers={"authorization": f"Bearer {secret}"},
            timeout=_LOAD_SECONDS,
            trust_env=False,
        )
        if self._answers(client):
            self._write(address=address, secret=secret)
            return client
        client.close()
        return None

    def _answers(self, client: httpx2.Client) -> bool:
        deadline = self.monotonic() + _START_SECONDS
        assert self._execution is not None
        while self._execution.ended() is None and not self._ending.wait(0.1):
            if self.monotonic() > deadline:
                self._execution.kill()
                return False
            try:
                return client.get("/health").status_code == 200
            except httpx2.TransportError:
                continue
        return False

    def _kill(self) -> None:
        if self._execution is not None:
            self._execution.kill()
            self._execution = None

    def _note_death(self, *, code: int) -> None:
        """Its process died by itself: it is started again, unless that would not help."""
        refusal = read_refusal(self._folder)
        if refusal is not None:
            self._fail_all(refusal.message, refusal.hint)
        elif self._quick_deaths >= MAX_QUICK_DEATHS:
            self._fail_all(
                f"its process died {MAX_QUICK_DEATHS} times in a row (code {code})",
                "see the engine's log; too little memory is the usual cause",
            )
        else:
            _log.warning("engine %s died with code %s, once more", self.engine.id, code)
            with self.services.database.transaction() as db:
                engines.write_engine(db, self.lease, address=None, secret="")
                engines.unready(
                    db,
                    self.engine.id,
                    message="its process died and is started again",
                    now=self.services.clock(),
                )

    def _fail_all(self, message: str, hint: str) -> None:
        with self.services.database.transaction() as db:
            engines.write_engine(db, self.lease, address=None, secret="")
            for deployment in engines.live_on(db, self.engine.id):
                fail_deployment(self.services, db, deployment, message=message, hint=hint)

    # --- what is deployed --------------------------------------------------------------------

    def _look_after(self, client: httpx2.Client) -> None:
        """Load and unload until the process dies, or nothing is asked for and all is answered."""
        idle_since: float | None = None
        self._answered_at = self.monotonic()
        assert self._execution is not None
        while self._execution.ended() is None and not self._ending.wait(_LOOK_SECONDS):
            self._end_if_stuck(client)
            try:
                if self._reconcile(client):
                    idle_since = None
                    continue
            except DatabaseUnavailable as error:
                _log.warning("%s; engine %s goes on", error.message, self.engine.id)
                continue
            except httpx2.TransportError:
                continue  # it is dying, or stuck: the next look tells
            idle_since = idle_since or self.monotonic()
            if self._is_drained(client) or self.monotonic() - idle_since > _DRAIN_SECONDS:
                return

    def _end_if_stuck(self, client: httpx2.Client) -> None:
        """Kill a process that does not answer any more: nobody may wait for it forever."""
        silent = self.monotonic() - self._answered_at
        if silent < _CHECK_SECONDS:
            return
        with suppress(httpx2.TransportError):
            if client.get("/health", timeout=_CHECK_SECONDS).status_code == 200:
                self._answered_at = self.monotonic()
                return
        if silent > _STUCK_SECONDS and self._execution is not None:
            _log.warning("engine %s does not answer; it is killed", self.engine.id)
            self._execution.kill()

    def _reconcile(self, client: httpx2.Client) -> bool:
        """Make the process as the table wants it; whether anything is wanted."""
        with self.services.database.reading() as db:
            wanted = engines.live_on(db, self.engine.id)
            folders = {
                each.model: adapter_folder(self.services, db, each, self.engine.base)
                for each in wanted
            }
        for deployment in wanted:
            if deployment.state == "deploying":
                self._deploy(client, deployment, folders[deployment.model])
        for model in self._loaded.keys() - folders.keys():
            self._unload(client, model)
        return bool(wanted)

    def _deploy(self, client: httpx2.Client, deployment: Deployment, adapter: Path | None) -> None:
        if adapter is not None and deployment.model not in self._loaded:
            if not self._has_room(deployment, adapter):
                return
            problem = self._load(client, deployment, adapter)
            if problem is not None:
                self._fail(deployment, (problem, ""))
                return
        failpoint("keeper.before_ready")
        with self.services.database.transaction() as db:
            engines.write_engine(db, self.lease)
            engines.make_ready(db, deployment, now=self.services.clock())

    def _has_room(self, deployment: Deployment, adapter: Path) -> bool:
        """Hold memory for an adapter; without it its deployment waits, or fails if that is vain."""
        try:
            needed = adapter_bytes(adapter)
        except (OSError, ValueError) as error:
            why = f"the files of {deployment.model} cannot be read: {error}", ""
            self._fail(deployment, why)
            return False
        if self.budget.take(self.engine.id, needed):
            self._loaded[deployment.model] = needed
            return True
        total = self.budget.total
        base = self.budget.held_by(self.engine.id) - sum(self._loaded.values())
        if base + needed > total:
            self._fail(deployment, too_large(deployment, needed=base + needed, total=total))
            return False
        mine = Place(self.budget.owner, total, total - self.budget.held)
        with self.services.database.reading() as db:
            why = waits_for_room(db, deployment, needed=needed, place=mine)
        explain_wait(self.services, deployment, why)
        return False

    def _load(self, client: httpx2.Client, deployment: Deployment, adapter: Path) -> str | None:
        """Load an adapter that memory is held for; what keeps it from that."""
        self._allow()
        asked = {"lora_name": deployment.model, "lora_path": str(adapter)}
        is_loaded = False
        try:
            answer = client.post("/v1/load_lora_adapter", json=asked)
            is_loaded = answer.status_code == 200
        finally:
            if not is_loaded:
                self._give_back(deployment.model)
        return None if is_loaded else _reason(answer)

    def _unload(self, client: httpx2.Client, model: str) -> None:
        client.post("/v1/unload_lora_adapter", json={"lora_name": model})
        self._give_back(model)

    def _give_back(self, model: str) -> None:
        self.budget.give_back(self.engine.id, self._loaded.pop(model))
        self._allow()

    def _allow(self) -> None:
        """Let the process take what is held for it now."""
        held = self.budget.held_by(self.engine.id)
        assert self._execution is not None
        self._execution.allow(held)
        self._write(memory_bytes=held)

    def _is_drained(self, client: httpx2.Client) -> bool:
        """Whether the process writes no answer."""
        try:
            figures = client.get("/metrics").text
        except httpx2.TransportError:
            return True
        lines = [line.split(" ") for line in figures.splitlines() if not line.startswith("#")]
        counts = {line[0].partition("{")[0]: float(line[-1]) for line in lines if line}
        return not any(counts.get(name) for name in ENGINES[self.engine.kind].busy)

    # --- the database ------------------------------------------------------------------------

    def _write(self, **values: object) -> None:
        with self.services.database.transaction() as db:
            engines.write_engine(db, self.lease, **values)

    def _fail(self, deployment: Deployment, why: Reason) -> None:
        message, hint = why
        _log.warning("deployment %s: %s", deployment.id, message)
        with self.services.database.transaction() as db:
            engines.write_engine(db, self.lease)
            fail_deployment(self.services, db, deployment, message=message, hint=hint)

    def _let_go(self) -> None:
        if self._is_lost:
            return
        try:
            with self.services.database.transaction() as db:
                engines.let_go_of_engine(db, self.lease, now=self.services.clock())
        except TunesmithError as error:  # its lease runs out
            _log.warning("engine %s: %s", self.engine.id, error.message)


def _reason(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"the engine refused with status {answer.status_code}"
