"""A server's views as those of this machine, which commands print."""

from tunesmith.service.comparisons import ComparisonView
from tunesmith.service.dataset_pages import DatasetSummary
from tunesmith.service.datasets import DatasetView
from tunesmith.service.local_results import PastComparison
from tunesmith.service.run_pages import RunSummary
from tunesmith.service.run_views import RunView


def dataset_view(found: DatasetSummary, *, existed: bool = True) -> DatasetView:
    """A dataset version; where it lies is the server's own affair."""
    return DatasetView(
        name=found.name,
        version=found.version,
        imported=found.created_at,
        source=found.source,
        encoding=found.encoding,
        num_files=found.num_files,
        left_out=found.left_out,
        folder="",
        existed=existed,
        stats=found.stats,
    )


def run_view(found: RunSummary) -> RunView:
    """A run, with the status that the queue gives it."""
    job = found.job
    return RunView(
        id=job.id,
        name=job.name,
        status=job.status,
        step=job.step,
        total_steps=job.total_steps,
        loss=found.loss,
        validation_loss=found.validation_loss,
        base=found.model,
        method=found.method,
        created=job.created_at.isoformat(sep=" ", timespec="minutes"),
        folder="",
        result=None,
        message=(job.error or {}).get("message", job.waits_for),
    )


def past_comparison(found: ComparisonView) -> PastComparison:
    """A comparison, with the status that the queue gives it."""
    return PastComparison(
        id=found.id,
        status=found.status,
        models=found.models,
        dataset=found.dataset,
        num_votes=found.num_votes,
        created_at=found.created_at,
    )
