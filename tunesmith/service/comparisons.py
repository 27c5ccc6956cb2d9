"""Comparisons of models: what was asked, what each answered, and taking one away."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tunesmith.evaluation.summary import Comparison, read_summary
from tunesmith.evaluation.transcript import Exchange, read_exchanges
from tunesmith.service.job_requests import CompareRequest
from tunesmith.service.jobs import JobFilter, find_jobs
from tunesmith.service.preparation import job_folder
from tunesmith.service.results import (
    find_ended,
    find_of_kind,
    finished_folder,
    read_report,
    result_folder,
)
from tunesmith.service.services import Services
from tunesmith.store.tables import Job, JobStatus, Vote

KIND = "compare"


@dataclass(frozen=True)
class ComparisonView:
    """A comparison as lists show it; `models` are the labels of those that are compared."""

    id: str
    name: str
    status: JobStatus
    models: list[str]
    dataset: str | None
    num_votes: int
    created_by: str
    created_at: datetime
    error: dict[str, Any] | None


@dataclass(frozen=True)
class ComparisonDetail:
    """A comparison, and what came out once it has succeeded."""

    comparison: ComparisonView
    summary: Comparison | None


def list_comparisons(
    services: Services, tenant_id: str, *, after: str | None, limit: int
) -> tuple[list[ComparisonView], bool]:
    """A page of comparisons, newest first, and whether there are more.

    Raises:
        NotFound: there is no comparison `after`.
    """
    with services.database.reading() as db:
        jobs, has_more = find_jobs(
            db, tenant_id, matching=JobFilter(kinds=[KIND]), after=after, limit=limit
        )
        return _views(db, jobs), has_more


def get_comparison(services: Services, tenant_id: str, comparison_id: str) -> ComparisonDetail:
    """A comparison.

    Raises:
        NotFound: the tenant has no such comparison.
    """
    with services.database.reading() as db:
        job = find_of_kind(db, tenant_id, comparison_id, kind=KIND)
        [view] = _views(db, [job])
    summary = read_summary(result_folder(services, job)) if job.status == "succeeded" else None
    return ComparisonDetail(view, summary)


def list_exchanges(
    services: Services, tenant_id: str, comparison_id: str, *, after: int, limit: int
) -> tuple[list[Exchange], bool]:
    """A page of prompts with all answers, and whether there are more.

    Raises:
        NotFound: the tenant has no such comparison.
        Conflict: it has not succeeded.
    """
    with services.database.reading() as db:
        folder = finished_folder(services, db, tenant_id, comparison_id, kind=KIND)
    page = list(islice(read_exchanges(folder), after, after + limit + 1))
    return page[:limit], len(page) > limit


def report(services: Services, tenant_id: str, comparison_id: str) -> str:
    """The comparison as an HTML page.

    Raises:
        NotFound: the tenant has no such comparison.
        Conflict: it has not succeeded.
    """
    return read_report(services, tenant_id, comparison_id, kind=KIND)


def delete_comparison(services: Services, tenant_id: str, comparison_id: str) -> None:
    """Delete a comparison with its votes; what it cost stays on record.

    Raises:
        NotFound: the tenant has no such comparison.
        Conflict: it has not ended.
    """
    with services.database.transaction() as db:
        job = find_ended(db, tenant_id, comparison_id, kind=KIND)
        db.execute(delete(Vote).where(Vote.job_id == job.id))
        job.removed_at = services.clock()
    shutil.rmtree(job_folder(services, job), ignore_errors=True)


def _views(db: Session, jobs: Sequence[Job]) -> list[ComparisonView]:
    counts = _num_votes(db, [job.id for job in jobs])
    views: list[ComparisonView] = []
    for job in jobs:
        request = CompareRequest.model_validate(job.spec["request"], strict=False)
        view = ComparisonView(
            id=job.id,
            name=job.name,
            status=job.status,
            models=[each.name for each in request.models],
            dataset=request.dataset,
            num_votes=counts.get(job.id, 0),
            created_by=job.created_by,
            created_at=job.created_at,
            error=job.error,
        )
        views.append(view)
    return views


def _num_votes(db: Session, job_ids: Sequence[str]) -> Mapping[str, int]:
    counted = (
        select(Vote.job_id, func.count()).where(Vote.job_id.in_(job_ids)).group_by(Vote.job_id)
    )
    return {job_id: int(count) for job_id, count in db.execute(counted)}
