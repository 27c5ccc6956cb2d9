"""Several runs side by side: only that in which they differ."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tunesmith.schema import by_dotted_path
from tunesmith.service.run_pages import RunOutline, outline_run
from tunesmith.service.services import Services

_ABSENT = None


@dataclass(frozen=True)
class RunDifference:
    """A setting or a result, with its value in each of the runs, in their order."""

    path: str
    each: list[Any]


def find_differences(
    services: Services, tenant_id: str, run_ids: Sequence[str]
) -> list[RunDifference]:
    """The settings, by path, and the results in which runs are not all equal.

    Raises:
        NotFound: the tenant has no such run.
    """
    sheets = [dict(_sheet(outline_run(services, tenant_id, run_id))) for run_id in run_ids]
    paths = dict.fromkeys(path for sheet in sheets for path in sheet)
    rows = (RunDifference(path, [sheet.get(path, _ABSENT) for sheet in sheets]) for path in paths)
    return [row for row in rows if any(value != row.each[0] for value in row.each)]


def _sheet(outline: RunOutline) -> Iterator[tuple[str, Any]]:
    """Everything that may differ: settings, data versions, and what came out."""
    yield from by_dotted_path(outline.recipe).items()
    for reference, version in outline.pins.items():
        yield f"version of {reference}", version[:12]
    job = outline.run.job
    yield "state", job.status
    yield "steps", job.step
    yield "loss", outline.run.loss
    yield "validation loss", outline.run.validation_loss
    yield "tokens per second", round(outline.tokens_per_second)
    yield "seconds", round(job.cost.seconds)
