"""What jobs took: time and cost, per month and per job."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import extract, func, select

from tunesmith.service.job_views import Cost, JobView, price_attempts, view_jobs
from tunesmith.service.jobs import find_job
from tunesmith.service.services import Services
from tunesmith.store.pages import read_page
from tunesmith.store.tables import Attempt, Job


@dataclass(frozen=True)
class MonthlyUsage:
    """What a tenant's jobs of a month, by when they were queued, took in a pool. UTC."""

    month: str
    pool: str
    num_jobs: int
    cost: Cost


def list_months(services: Services, tenant_id: str) -> list[MonthlyUsage]:
    """What every month came to, the newest first, pool by pool."""
    year, month = extract("year", Job.created_at), extract("month", Job.created_at)
    spent = (
        select(
            year,
            month,
            Attempt.pool,
            func.count(func.distinct(Attempt.job_id)),
            func.sum(Attempt.seconds),
            func.sum(Attempt.seconds * Attempt.num_cores) / 3600,
            func.sum(Attempt.seconds * Attempt.num_gpus) / 3600,
        )
        .join(Job, Job.id == Attempt.job_id)
        .where(Attempt.tenant_id == tenant_id)
        .group_by(year, month, Attempt.pool)
        .order_by(year.desc(), month.desc(), Attempt.pool)
    )
    with services.database.reading() as db:
        price = price_attempts(db)
        return [
            MonthlyUsage(
                f"{int(y):04}-{int(m):02}", pool, num_jobs, price(pool, seconds, cores, gpus)
            )
            for y, m, pool, num_jobs, seconds, cores, gpus in db.execute(spent)
        ]


def list_jobs_of_month(
    services: Services, tenant_id: str, month: str, *, after: str | None, limit: int
) -> tuple[list[JobView], bool]:
    """A page of the jobs queued in `month` (YYYY-MM), with their costs, newest first.

    Jobs whose files were deleted are among them.

    Raises:
        NotFound: there is no job `after`.
    """
    since = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    until = since.replace(year=since.year + since.month // 12, month=since.month % 12 + 1)
    wanted = select(Job).where(
        Job.tenant_id == tenant_id, Job.created_at >= since, Job.created_at < until
    )
    with services.database.reading() as db:
        last = find_job(db, tenant_id, after) if after is not None else None
        jobs, has_more = read_page(db, wanted, by=(Job.created_at, Job.id), after=last, limit=limit)
        return view_jobs(services, db, jobs), has_more
