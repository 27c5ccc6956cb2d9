"""What Prometheus reads: figures of this process, and of the installation as its database has them.

Labels name kinds, states and route templates, never tenants, people or paths: they would give away
who works on what, and grow without end.
"""

from collections.abc import Iterable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import extract, func, select
from sqlalchemy.orm import Session

from tunesmith.service.services import Services
from tunesmith.store.tables import Attempt, Job, OutboxMessage, Worker

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_ALIVE_BEATS = 2  # leases, after which a worker that gave no sign counts as gone


class Metrics:
    """The figures of one app."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "tunesmith_request_seconds",
            "How long requests took, by route, method and status.",
            ("route", "method", "status"),
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.registry.register(_Installation(services))


class _Installation(Collector):
    """Figures that are the same whichever server is asked, counted when they are asked for."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is read from the database while the app is built

    def collect(self) -> Iterable[Metric]:
        with self._services.database.reading() as db:
            yield _jobs(db)
            yield from _waits(db)
            yield _attempts(db)
            yield from _outbox(db)
            yield self._workers(db)

    def _workers(self, db: Session) -> Metric:
        patience = timedelta(seconds=_ALIVE_BEATS * self._services.config.lease_seconds)
        alive = Worker.seen_at > self._services.clock() - patience
        family = GaugeMetricFamily(
            "tunesmith_workers", "Workers that gave a sign of late, by pool.", labels=("pool",)
        )
        for pool, count in db.execute(
            select(Worker.pool, func.count()).where(alive).group_by(Worker.pool)
        ):
            family.add_metric((pool,), count)
        return family


def _jobs(db: Session) -> Metric:
    family = GaugeMetricFamily(
        "tunesmith_jobs", "Jobs by kind and status.", labels=("kind", "status")
    )
    for kind, status, count in db.execute(
        select(Job.kind, Job.status, func.count()).group_by(Job.kind, Job.status)
    ):
        family.add_metric((kind, status), count)
    return family


def _waits(db: Session) -> Iterable[Metric]:
    """How long jobs waited until they first ran; the sum over the count is the mean."""
    seconds = CounterMetricFamily(
        "tunesmith_job_wait_seconds", "Time from queueing to the first start.", labels=("kind",)
    )
    started = CounterMetricFamily("tunesmith_jobs_started", "Jobs that ran.", labels=("kind",))
    waited = func.sum(extract("epoch", Job.started_at) - extract("epoch", Job.created_at))
    ran = select(Job.kind, waited, func.count()).where(Job.started_at.is_not(None))
    for kind, total, count in db.execute(ran.group_by(Job.kind)):
        seconds.add_metric((kind,), float(total))
        started.add_metric((kind,), count)
    return seconds, started


def _attempts(db: Session) -> Metric:
    family = CounterMetricFamily(
        "tunesmith_run_seconds", "Time that workers spent on jobs.", labels=("kind", "pool")
    )
    spent = select(Job.kind, Attempt.pool, func.sum(Attempt.seconds))
    spent = spent.join(Job, Job.id == Attempt.job_id).group_by(Job.kind, Attempt.pool)
    for kind, pool, seconds in db.execute(spent):
        family.add_metric((kind, pool), seconds)
    return family


def _outbox(db: Session) -> Iterable[Metric]:
    sent, given_up = OutboxMessage.sent_at.is_not(None), OutboxMessage.given_up_at.is_not(None)
    messages = GaugeMetricFamily(
        "tunesmith_messages", "Messages to channels by what became of them.", labels=("status",)
    )
    for status, condition in {
        "sent": sent,
        "given_up": given_up,
        "waiting": ~sent & ~given_up,
    }.items():
        count = select(func.count()).select_from(OutboxMessage).where(condition)
        messages.add_metric((status,), db.scalars(count).one())
    attempts = CounterMetricFamily(
        "tunesmith_message_attempts", "Attempts to send messages, failed ones included."
    )
    total = db.scalars(select(func.coalesce(func.sum(OutboxMessage.attempts), 0))).one()
    attempts.add_metric((), total)
    return messages, attempts
