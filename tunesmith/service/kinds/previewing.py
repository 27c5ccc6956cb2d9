"""Showing examples token by token, as training would see them."""

from tunesmith.data.config import DataConfig
from tunesmith.data.job import PreviewJob
from tunesmith.service.job_requests import PreviewRequest
from tunesmith.service.kinds.inputs import find_inputs, pin_base
from tunesmith.service.kinds.kind import JobKind, Needs
from tunesmith.service.services import Services
from tunesmith.store.tables import Job


def _find_needs(services: Services, tenant_id: str, request: PreviewRequest) -> Needs:
    data = DataConfig.model_validate({"train": request.dataset}, strict=False)
    return find_inputs(services, tenant_id, name=request.dataset, model=request.model, data=data)


def _prepare(services: Services, job: Job, request: PreviewRequest) -> PreviewJob:
    home = services.home(job.tenant_id)
    pinned = job.spec["pins"].get(request.dataset) or home.find("dataset", request.dataset).id
    data = request.data or DataConfig.model_validate({"train": request.dataset}, strict=False)
    return PreviewJob(
        dataset=str(home.datasets / pinned),
        base=pin_base(services, job, request.model).folder,
        data=data,
        first_row=request.first_row,
        limit=request.limit,
    )


PREVIEW = JobKind(
    stage="preview",
    id_prefix="preview",
    called={"en": "preview", "zh": "预览"},
    find_needs=_find_needs,
    prepare=_prepare,
)
