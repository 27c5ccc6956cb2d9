"""The keeper: makes a worker's engines what the table of deployments asks for.

A thread of the worker beside the one for jobs. Like jobs, engines are leased: a keeper beats for
those that it holds, watches the other keepers' beats, and takes what nobody keeps if it has room.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeAlias

import psutil
from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.backends.protocol import Backend
from tunesmith.errors import DatabaseUnavailable, LeaseLost, TunesmithError
from tunesmith.failpoints import failpoint
from tunesmith.service.budget import Budget
from tunesmith.service.engine_plan import (
    Reason,
    base_folder,
    best_place,
    engine_bytes,
    places,
    too_large,
    waits_for_room,
)
from tunesmith.service.minder import Minder
from tunesmith.service.request_log import sweep_log
from tunesmith.service.rollouts import explain_wait, fail_deployment
from tunesmith.service.services import Services
from tunesmith.service.threads import running_beside
from tunesmith.serving.config import EngineConfig
from tunesmith.store import engines
from tunesmith.store.engines import EngineLease
from tunesmith.store.leases import LeaseWatch
from tunesmith.store.tables import Deployment, InferenceEngine

_log = logging.getLogger("tunesmith.keeper")

_Why: TypeAlias = Callable[[Session, Deployment], Reason]

_BEATS_PER_LEASE = 8
_LOOK_SECONDS = 0.2
_SWEEP_SECONDS = 3600.0
_PATIENCE_SECONDS = 300.0  # for a worker that is large enough: a machine starts anew within that


@dataclass
class _Wait:
    """An engine that this worker has no room for.

    Attributes:
        needed: bytes.
        hopeful_at: when a worker large enough was last at work, or the wait began.
    """

    needed: int
    hopeful_at: float


@dataclass
class Keeper:
    """The engines of one worker.

    Attributes:
        services: what it stands on.
        backend: starts processes.
        budget: memory for engines, under the worker's id.
        num_cores: for each process.
    """

    services: Services
    backend: Backend
    budget: Budget
    num_cores: int
    monotonic: Callable[[], float] = time.monotonic
    _minders: dict[EngineLease, Minder] = field(default_factory=dict[EngineLease, Minder])
    _waits: dict[str, _Wait] = field(default_factory=dict[str, _Wait])  # by the engine's id
    _next_beat: float = 0.0
    _next_sweep: float = 0.0

    def __post_init__(self) -> None:
        """Begin to watch the other keepers' leases."""
        self._watch = LeaseWatch[EngineLease](self.services.config.lease_seconds)

    def run(self, stopping: threading.Event) -> None:
        """Keep engines until `stopping`, then let go of them."""
        while not stopping.wait(_LOOK_SECONDS):
            try:
                self.turn()
            except DatabaseUnavailable as error:
                _log.warning("%s; engines go on", error.message)
                self._watch.forget()
                stopping.wait(1.0)
        for minder in self._minders.values():
            minder.end()
        for minder in self._minders.values():
            minder.wait()

    def turn(self) -> None:
        """One round."""
        self._minders = {k: each for k, each in self._minders.items() if not each.has_ended}
        if self.monotonic() >= self._next_beat:
            self._next_beat = (
                self.monotonic() + self.services.config.lease_seconds / _BEATS_PER_LEASE
            )
            self._beat()
            self._watch_others()
        if self.monotonic() >= self._next_sweep:
            self._next_sweep = self.monotonic() + _SWEEP_SECONDS
            sweep_log(self.services)
        self._take()

    def _beat(self) -> None:
        for lease, minder in list(self._minders.items()):
            try:
                with self.services.database.transaction() as db:
                    engines.write_engine(db, lease)
            except LeaseLost:
                if not minder.has_ended:
                    _log.warning("engine %s is in other hands; dropped", lease.engine_id)
                    minder.drop()

    def _watch_others(self) -> None:
        with self.services.database.reading() as db:
            held = engines.held_engines(db)
        for lease, beat in self._watch.expired(held, at=self.monotonic()):
            with self.services.database.transaction() as db:
                now = self.services.clock()
                if engines.take_engine_back(db, lease, seen_beat=beat, now=now):
                    _log.warning("engine %s lost its worker", lease.engine_id)

    # --- the next engine ---------------------------------------------------------------------

    def _take(self) -> None:
        """Take what nobody keeps and somebody wants."""
        free = select(InferenceEngine).where(
            InferenceEngine.worker_id.is_(None), InferenceEngine.pool == self.services.config.pool
        )
        mine = {lease.engine_id for lease in self._minders}
        with self.services.database.reading() as db:
            waiting = [
                engine
                for engine in db.scalars(free)
                if engine.id not in mine and engines.live_on(db, engine.id)
            ]
        ids = {engine.id for engine in waiting}
        self._waits = {id: wait for id, wait in self._waits.items() if id in ids}
        for engine in waiting:
            self._take_one(engine)

    def _take_one(self, engine: InferenceEngine) -> None:
        wait = self._waits.get(engine.id) or self._measure(engine)
        if wait is None or not self._has_room(engine, wait):
            return
        with self.services.database.transaction() as db:
            lease = engines.take_engine(
                db, engine, worker_id=self.budget.owner, memory_bytes=wait.needed
            )
        if lease is None:  # another worker was faster
            self.budget.give_back(engine.id)
            return
        failpoint("keeper.after_take")
        minder = Minder(
            self.services, self.backend, self.budget, engine, lease, num_cores=self.num_cores
        )
        self._minders[lease] = minder
        minder.start()

    def _measure(self, engine: InferenceEngine) -> _Wait | None:
        """What an engine needs; None if its base cannot be served, which its people are told."""
        try:
            with self.services.database.reading() as db:
                folder = base_folder(self.services, db, engine.base)
            return _Wait(engine_bytes(folder, EngineConfig()), hopeful_at=self.monotonic())
        except DatabaseUnavailable:
            raise
        except TunesmithError as error:
            why = error.message, error.hint
            self._fail(engine, lambda db, each: why)
            return None

    def _has_room(self, engine: InferenceEngine, wait: _Wait) -> bool:
        """Hold memory for an engine; without room its deployments wait, and are told for what."""
        needed = wait.needed
        if psutil.virtual_memory().available >= needed and self.budget.take(engine.id, needed):
            return True
        self._waits[engine.id] = wait
        with self.services.database.reading() as db:
            best = best_place(places(db, engine.pool), needed=needed)
        now = self.monotonic()
        if best is None or best.total >= needed:
            wait.hopeful_at = now
        if best is None or best.worker_id != self.budget.owner:
            return False  # one speaks for all
        if now - wait.hopeful_at >= _PATIENCE_SECONDS:
            total = best.total
            self._fail(engine, lambda db, each: too_large(each, needed=needed, total=total))
        else:
            self._explain(
                engine, lambda db, each: waits_for_room(db, each, needed=needed, place=best)
            )
        return False

    def _explain(self, engine: InferenceEngine, why: _Why) -> None:
        """Tell people what their deployments wait for, where that is news."""
        with self.services.database.reading() as db:
            reasons = [(each, why(db, each)) for each in engines.live_on(db, engine.id)]
        for each, reason in reasons:
            explain_wait(self.services, each, reason)

    def _fail(self, engine: InferenceEngine, why: _Why) -> None:
        with self.services.database.transaction() as db:
            for deployment in engines.live_on(db, engine.id):
                message, hint = why(db, deployment)
                fail_deployment(self.services, db, deployment, message=message, hint=hint)


def keeping(keeper: Keeper) -> AbstractContextManager[None]:
    """Keep engines in a thread of its own while the context lasts."""
    return running_beside(keeper.run, name="keeper")
