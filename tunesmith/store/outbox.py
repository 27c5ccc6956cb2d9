"""Messages that wait to be told: who tells one holds it for a while, and nobody forgets it.

A message is told at least once. Holding is a time, `not_before`, not a process: if its dispatcher
dies the time runs out. Where a clock jumps a message comes late or twice, never not at all.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, Select, delete, select, update
from sqlalchemy.orm import Session

from tunesmith.store.tables import OutboxMessage

GIVES_UP_AFTER = timedelta(days=3)
KEPT_FOR = timedelta(days=30)  # so that people can see what became of a message
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(hours=1)


def due(*, now: datetime, busy: Collection[str] = ()) -> Select[OutboxMessage]:
    """Messages to tell now, oldest first, but for those of channels that are `busy`."""
    return (
        select(OutboxMessage)
        .where(
            OutboxMessage.sent_at.is_(None),
            OutboxMessage.given_up_at.is_(None),
            OutboxMessage.not_before <= now,
            OutboxMessage.channel_id.not_in(busy),
        )
        .order_by(OutboxMessage.created_at, OutboxMessage.id)
    )


def hold(db: Session, message: OutboxMessage, *, until: datetime) -> bool:
    """Take `message` as it was read; False if another dispatcher was faster."""
    statement = (
        update(OutboxMessage)
        .where(OutboxMessage.id == message.id, OutboxMessage.attempts == message.attempts)
        .where(OutboxMessage.sent_at.is_(None))
        .values(attempts=message.attempts + 1, not_before=until)
    )
    return cast("CursorResult[Any]", db.execute(statement)).rowcount == 1


def note_sent(db: Session, message_id: str, *, now: datetime) -> None:
    """The message has arrived."""
    db.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id == message_id, OutboxMessage.sent_at.is_(None))
        .values(sent_at=now, error="")
    )


def note_failure(db: Session, message_id: str, *, error: str, now: datetime) -> None:
    """The message did not arrive: it rests, twice as long each time, or is given up for good."""
    message = db.get(OutboxMessage, message_id)
    if message is None or message.sent_at is not None:
        return  # its channel is gone, or another dispatcher had more luck
    message.error = error
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(message.attempts - 1, 20))
    message.not_before = now + pause
    if now - message.created_at >= GIVES_UP_AFTER:
        message.given_up_at = now


def forget(db: Session, *, now: datetime) -> None:
    """Delete messages that were told, or given up, longer ago than people ask about them."""
    before = now - KEPT_FOR
    db.execute(
        delete(OutboxMessage).where(
            (OutboxMessage.sent_at < before) | (OutboxMessage.given_up_at < before)
        )
    )
