"""Which channels hear of a job; a person may change it while the job goes on."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.service.jobs import find_job
from tunesmith.service.services import Services
from tunesmith.store.tables import Channel, Subscription


def list_subscribed(services: Services, tenant_id: str, job_id: str) -> list[str]:
    """The ids of the channels that hear of a job.

    Raises:
        NotFound: the tenant has no such job.
    """
    with services.database.reading() as db:
        job = find_job(db, tenant_id, job_id)
        mine = select(Subscription.channel_id).where(Subscription.job_id == job.id)
        return list(db.scalars(mine.order_by(Subscription.channel_id)))


def subscribe(services: Services, tenant_id: str, job_id: str, channel_id: str) -> None:
    """Let a channel hear of a job from now on. Doing it again changes nothing.

    Raises:
        NotFound: the tenant has no such job or channel.
    """
    with services.database.transaction() as db:
        job = find_job(db, tenant_id, job_id)
        find_channel(db, tenant_id, channel_id)
        if db.get(Subscription, (job.id, channel_id)) is None:
            db.add(Subscription(job_id=job.id, channel_id=channel_id))


def unsubscribe(services: Services, tenant_id: str, job_id: str, channel_id: str) -> None:
    """Let a channel hear no more of a job.

    Raises:
        NotFound: the tenant has no such job or channel.
    """
    with services.database.transaction() as db:
        job = find_job(db, tenant_id, job_id)
        find_channel(db, tenant_id, channel_id)
        db.execute(
            delete(Subscription).where(
                Subscription.job_id == job.id, Subscription.channel_id == channel_id
            )
        )


def find_channel(
    db: Session, tenant_id: str, channel_id: str, *, to_delete: bool = False
) -> Channel:
    """The row of a tenant's channel; `to_delete` holds it against others.

    Raises:
        NotFound: the tenant has no such channel.
    """
    channel = db.get(Channel, channel_id, with_for_update=to_delete)
    if channel is None or channel.tenant_id != tenant_id:
        raise NotFound(f"there is no channel {channel_id}")
    return channel
