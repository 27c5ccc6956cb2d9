"""Fetching a base model of the catalog."""

from tunesmith.errors import NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.modeling.job import PullJob
from tunesmith.service.job_requests import PullRequest
from tunesmith.service.kinds.kind import JobKind, Needs
from tunesmith.service.services import Services
from tunesmith.store.tables import Job


def _find_needs(services: Services, tenant_id: str, request: PullRequest) -> Needs:
    if request.model not in CATALOG:
        raise NotFound(
            f"unknown base model {request.model!r}", hint=f"there are: {', '.join(sorted(CATALOG))}"
        )
    return Needs(request.model)


def _prepare(services: Services, job: Job, request: PullRequest) -> PullJob:
    return PullJob(source=request.model, models=str(services.installation.models))


PULL = JobKind(
    stage="pull",
    id_prefix="pull",
    called={"en": "base model", "zh": "基础模型"},
    find_needs=_find_needs,
    prepare=_prepare,
)
