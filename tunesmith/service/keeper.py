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

import psutil
from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.backends.protocol import Backend
from tunesmith.errors import DatabaseUnavailable, LeaseLost, TunesmithError
from tunesmith.failpoints import failpoint
from tunesmith.service.budget import Budget
from tunesmith.service.engine_plan import Place, base_folder, engine_bytes, no_room, places
from tunesmith.service.minder import Minder
from tunesmith.service.request_log import sweep_log
from tunesmith.service.rollouts import fail_deployment
from tunesmith.service.services import Services
from tunesmith.service.threads import running_beside
from tunesmith.serving.config import EngineConfig
from tunesmith.store import engines
from tunesmith.store.engines import EngineLease
from tunesmith.store.leases import LeaseWatch
from tunesmith.store.tables import Deployment, InferenceEngine

_log = logging.getLogger("tunesmith.keeper")

_BEATS_PER_LEASE = 8
_LOOK_SECONDS = 0.2
_SWEEP_SECONDS = 3600.0


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
        for engine in waiting:
            self._take_one(engine)

    def _take_one(self, engine: InferenceEngine) -> None:
        try:
            with self.services.database.reading() as db:
                folder = base_folder(self.services, db, engine.base)
            needed = engine_bytes(folder, EngineConfig())
        except DatabaseUnavailable:
            raise
        except TunesmithError as error:
            why = error.message, error.hint
            self._fail(engine, lambda db, each: why)
            return
        if not self._has_room(engine, needed):
            return
        with self.services.database.transaction() as db:
            lease = engines.take_engine(
                db, engine, worker_id=self.budget.owner, memory_bytes=needed
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

    def _has_room(self, engine: InferenceEngine, needed: int) -> bool:
        """Hold memory for an engine; if no worker has as much its deployments are refused."""
        is_free = psutil.virtual_memory().available >= needed
        if is_free and self.budget.take(engine.id, needed):
            return True
        with self.services.database.reading() as db:
            rooms = places(db, engine.pool)
        others = [place for place in rooms if place.worker_id != self.budget.owner]
        if any(place.free >= needed for place in others):
            return False  # that one takes it
        total = self.budget.total
        unused = total - self.budget.held
        free = unused if is_free else min(unused, psutil.virtual_memory().available)
        mine = Place(self.budget.owner, total, free)
        self._fail(engine, lambda db, each: no_room(db, each, needed=needed, place=mine))
        return False

    def _fail(
        self, engine: InferenceEngine, why: Callable[[Session, Deployment], tuple[str, str]]
    ) -> None:
        with self.services.database.transaction() as db:
            for deployment in engines.live_on(db, engine.id):
                message, hint = why(db, deployment)
                fail_deployment(self.services, db, deployment, message=message, hint=hint)


def keeping(keeper: Keeper) -> AbstractContextManager[None]:
    """Keep engines in a thread of its own while the context lasts."""
    return running_beside(keeper.run, name="keeper")
