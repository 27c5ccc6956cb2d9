"""The dispatcher: tells people what the outbox holds.

It is a thread of the server, so it tells also what happens while no worker runs. It and the server
may die at any moment: what was not noted as sent is sent again, under the same id.
"""

import logging
import threading
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import DatabaseUnavailable, DeliveryFailed
from tunesmith.failpoints import failpoint
from tunesmith.service.notices import Notice, notice_of
from tunesmith.service.paths import hide_paths
from tunesmith.service.senders import send
from tunesmith.service.services import Services
from tunesmith.service.threads import running_beside
from tunesmith.store import outbox
from tunesmith.store.tables import Channel, Deployment, Job, OutboxMessage, Person

_log = logging.getLogger("tunesmith.outbox")

_SENDERS = 8  # messages under way; a channel has one at a time, so a dead one holds up no other
_POLL_SECONDS = 0.5
_SECONDS_BETWEEN_CLEARINGS = 3600.0


@dataclass(frozen=True)
class _Letter:
    """A message in this dispatcher's hands, and where it goes."""

    notice: Notice
    channel_id: str
    url: str


@dataclass
class Dispatcher:
    """One of possibly several on the same outbox.

    Attributes:
        services: what it stands on.
        hold_seconds: how long a message waits for the next dispatcher if this one dies; longer
            than sending takes.
    """

    services: Services
    hold_seconds: float = 60.0
    _under_way: dict[str, Future[None]] = field(default_factory=dict[str, "Future[None]"])

    def run(self, stopping: threading.Event) -> None:
        """Send until `stopping`; what is under way then is waited for."""
        with ThreadPoolExecutor(_SENDERS, thread_name_prefix="sender") as senders:
            cleared_at = -_SECONDS_BETWEEN_CLEARINGS
            while not stopping.is_set():
                if time.monotonic() - cleared_at > _SECONDS_BETWEEN_CLEARINGS:
                    self.clear()
                    cleared_at = time.monotonic()
                if self.turn(senders):
                    continue
                if self._under_way:  # as soon as one is done, its channel may have the next
                    wait(self._under_way.values(), _POLL_SECONDS, FIRST_COMPLETED)
                else:
                    stopping.wait(_POLL_SECONDS)

    def turn(self, senders: ThreadPoolExecutor) -> bool:
        """Hand one message to `senders`; whether there was one."""
        self._under_way = {id: each for id, each in self._under_way.items() if not each.done()}
        if len(self._under_way) == _SENDERS:
            return False
        try:
            letter = self._take()
        except DatabaseUnavailable as error:
            _log.warning("%s", error.message)
            return False
        if letter is None:
            return False
        failpoint("outbox.after_hold")
        self._under_way[letter.channel_id] = senders.submit(self._deliver, letter)
        return True

    def clear(self) -> None:
        """Forget messages that were told, or given up, long ago."""
        try:
            with self.services.database.transaction() as db:
                outbox.forget(db, now=self.services.clock())
        except DatabaseUnavailable as error:
            _log.warning("%s", error.message)

    def _take(self) -> _Letter | None:
        now = self.services.clock()
        oldest = outbox.due(now=now, busy=self._under_way).limit(1)
        with self.services.database.reading() as db:
            message = db.scalars(oldest).first()
            if message is None:
                return None
            letter = _letter(self.services, db, message)
        with self.services.database.transaction() as db:
            until = now + timedelta(seconds=self.hold_seconds)
            return letter if outbox.hold(db, message, until=until) else None

    def _deliver(self, letter: _Letter) -> None:
        about = {"job_id": letter.notice.event["job_id"]}
        allow_private = self.services.config.allow_private_addresses
        try:
            send(letter.url, letter.notice, allow_private=allow_private)
            failpoint("outbox.after_send")
            error = None
        except DeliveryFailed as failure:
            error = failure.message
        except Exception as failure:  # a library's defect: it may not end the dispatcher
            error = f"unexpected {type(failure).__name__}"  # its text could hold a secret
        if error is not None:
            text = "message %s did not reach channel %s: %s"
            _log.warning(text, letter.notice.id, letter.channel_id, error, extra=about)
        try:
            self._note(letter, error)
        except DatabaseUnavailable as failure:  # it is sent again
            _log.warning("%s", failure.message, extra=about)

    def _note(self, letter: _Letter, error: str | None) -> None:
        now = self.services.clock()
        with self.services.database.transaction() as db:
            if error is None:
                outbox.note_sent(db, letter.notice.id, now=now)
            else:
                outbox.note_failure(db, letter.notice.id, error=error, now=now)


def _letter(services: Services, db: Session, message: OutboxMessage) -> _Letter:
    channel = db.get_one(Channel, message.channel_id)
    kind = Deployment if message.event["kind"] == "deployment" else Job
    whose = select(Person.language).join(kind, kind.created_by == Person.email)
    language = db.scalars(whose.where(kind.id == message.event["job_id"])).first() or "en"
    event = hide_paths(services, message.tenant_id, message.event)
    notice = notice_of(message.id, event, language=language)
    return _Letter(notice, channel.id, channel.url)


def dispatching(services: Services) -> AbstractContextManager[None]:
    """Send from a thread of its own while the context lasts."""
    return running_beside(Dispatcher(services).run, name="outbox")
