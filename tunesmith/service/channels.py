"""Channels: where a tenant's messages go. Their addresses hold secrets and never come out again."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from sqlalchemy import delete, func, select

from tunesmith.errors import Conflict, DeliveryFailed, NotFound, QuotaExceeded
from tunesmith.schema import check_name
from tunesmith.service.access import Actor
from tunesmith.service.notices import trial_notice
from tunesmith.service.senders import ChannelWord, send, sender_of
from tunesmith.service.services import Services
from tunesmith.service.subscriptions import find_channel
from tunesmith.store.pages import read_page
from tunesmith.store.tables import (
    Channel,
    OutboxMessage,
    Person,
    Subscription,
    Tenant,
    new_id,
)

MAX_CHANNELS = 100

DeliveryStatus: TypeAlias = Literal["waiting", "sent", "given up"]


@dataclass(frozen=True)
class ChannelView:
    """A channel as everybody in its tenant may see it."""

    id: str
    name: str
    kind: ChannelWord
    created_at: datetime
    hears_all: bool


@dataclass(frozen=True)
class Trial:
    """Whether a trial message arrived, and if not, why."""

    delivered: bool
    error: str


@dataclass(frozen=True)
class DeliveryView:
    """What became of a message. `next_attempt` is None where there will be none."""

    id: str
    job_id: str
    event: str
    status: DeliveryStatus
    attempts: int
    error: str
    created_at: datetime
    sent_at: datetime | None
    next_attempt: datetime | None


def add_channel(services: Services, tenant_id: str, *, name: str, url: str) -> ChannelView:
    """Keep a channel; nothing is sent yet.

    Raises:
        NameInvalid: the name breaks the rules.
        RecipeInvalid: the address is of no kind that we send to, or incomplete.
        Conflict: there is a channel of that name.
        QuotaExceeded: the tenant has as many as it may.
    """
    check_name(name)
    sender_of(url)
    with services.database.transaction() as db:
        db.get_one(Tenant, tenant_id, with_for_update=True)  # two at the same time take turns
        mine = select(func.count()).where(Channel.tenant_id == tenant_id)
        if db.scalars(mine).one() >= MAX_CHANNELS:
            raise QuotaExceeded(f"there are {MAX_CHANNELS} channels already", hint="delete some")
        if db.scalars(mine.where(Channel.name == name)).one():
            raise Conflict(f"there is a channel {name!r} already", hint="choose another name")
        channel = Channel(
            id=new_id("channel"),
            tenant_id=tenant_id,
            name=name,
            url=url,
            created_at=services.clock(),
            hears_all=False,
        )
        db.add(channel)
        return _view(channel)


def list_channels(services: Services, tenant_id: str) -> list[ChannelView]:
    """A tenant's channels by name."""
    mine = select(Channel).where(Channel.tenant_id == tenant_id).order_by(Channel.name)
    with services.database.reading() as db:
        return [_view(channel) for channel in db.scalars(mine)]


def change_channel(
    services: Services, tenant_id: str, channel_id: str, *, hears_all: bool
) -> ChannelView:
    """Let a channel hear of every training and deployment from now on, or of what names it.

    Raises:
        NotFound: the tenant has no such channel.
    """
    with services.database.transaction() as db:
        channel = find_channel(db, tenant_id, channel_id)
        channel.hears_all = hears_all
        return _view(channel)


def try_channel(services: Services, actor: Actor, channel_id: str) -> Trial:
    """Send a trial message now.

    Raises:
        NotFound: the tenant has no such channel.
    """
    with services.database.reading() as db:
        url = find_channel(db, actor.tenant_id, channel_id).url
        language = db.get_one(Person, actor.person_id).language
    notice = trial_notice(new_id("trial"), language=language)
    try:
        send(url, notice, allow_private=services.config.allow_private_addresses)
    except DeliveryFailed as failure:
        return Trial(delivered=False, error=failure.message)
    return Trial(delivered=True, error="")


def list_deliveries(
    services: Services,
    tenant_id: str,
    channel_id: str,
    *,
    after: str | None = None,
    limit: int = 20,
) -> tuple[list[DeliveryView], bool]:
    """A page of a channel's messages, newest first, and whether there are more.

    Raises:
        NotFound: the tenant has no such channel, or the channel no message `after`.
    """
    wanted = select(OutboxMessage).where(OutboxMessage.channel_id == channel_id)
    with services.database.reading() as db:
        find_channel(db, tenant_id, channel_id)
        last = db.get(OutboxMessage, after) if after is not None else None
        if after is not None and (last is None or last.channel_id != channel_id):
            raise NotFound(f"there is no message {after}")
        by = (OutboxMessage.created_at, OutboxMessage.id)
        rows, has_more = read_page(db, wanted, by=by, after=last, limit=limit)
    return [_view_delivery(row) for row in rows], has_more


def delete_channel(services: Services, tenant_id: str, channel_id: str) -> None:
    """Delete a channel with what waits for it.

    Raises:
        NotFound: the tenant has no such channel.
    """
    with services.database.transaction() as db:
        channel = find_channel(db, tenant_id, channel_id, to_delete=True)
        db.execute(delete(Subscription).where(Subscription.channel_id == channel_id))
        db.execute(delete(OutboxMessage).where(OutboxMessage.channel_id == channel_id))
        db.delete(channel)


def _view(channel: Channel) -> ChannelView:
    word = sender_of(channel.url).word
    return ChannelView(channel.id, channel.name, word, channel.created_at, channel.hears_all)


def _view_delivery(row: OutboxMessage) -> DeliveryView:
    ended = row.sent_at is not None or row.given_up_at is not None
    return DeliveryView(
        id=row.id,
        job_id=row.event["job_id"],
        event=row.event["status"],
        status="sent" if row.sent_at else "given up" if row.given_up_at else "waiting",
        attempts=row.attempts,
        error=row.error,
        created_at=row.created_at,
        sent_at=row.sent_at,
        next_attempt=None if ended else row.not_before,
    )
