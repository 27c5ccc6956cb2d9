"""Making a model version of an uploaded archive."""

from tunesmith.modeling.catalog import CATALOG
from tunesmith.service.files import file_path, find_file
from tunesmith.service.job_requests import JobRequest, PullRequest, RegisterRequest
from tunesmith.service.kinds.inputs import must_be_pulled, pin_base, pin_model
from tunesmith.service.kinds.kind import JobKind, Needs
from tunesmith.service.kinds.outputs import publish_model
from tunesmith.service.registry import list_bases, list_registered
from tunesmith.service.services import Services
from tunesmith.serving.job import RegisterJob
from tunesmith.store.tables import Job
from tunesmith.training.job import PinnedModel


def _find_needs(services: Services, tenant_id: str, request: RegisterRequest) -> Needs:
    find_file(services, tenant_id, request.file)
    first: dict[str, JobRequest] = {}
    if request.base is not None and must_be_pulled(services, tenant_id, request.base):
        first[request.base] = PullRequest(model=request.base)
    return Needs(request.name, first=first)


def _prepare(services: Services, job: Job, request: RegisterRequest) -> RegisterJob:
    file = find_file(services, job.tenant_id, request.file)
    return RegisterJob(
        name=request.name,
        archive=str(file_path(services, job.tenant_id, file.id)),
        filename=file.filename,
        sha256=file.sha256,
        base=request.base,
        bases=_known_bases(services, job)
        if request.base is None
        else {request.base: pin_base(services, job, request.base)},
    )


def _known_bases(services: Services, job: Job) -> dict[str, PinnedModel]:
    """All base models that are here, and all whole models of the tenant, by each of their names."""
    known: dict[str, PinnedModel] = {}
    for view in list_bases(services):
        pinned = pin_base(services, job, view.name)
        known |= dict.fromkeys((view.name, *CATALOG[view.name].repositories), pinned)
    for model in list_registered(services, job.tenant_id):
        if model.kind != "adapter":
            pinned = pin_model(services, model, reference=model.id)
            known |= dict.fromkeys((model.id, f"{model.name}@{model.version}"), pinned)
    return known


REGISTER = JobKind(
    stage="register",
    id_prefix="register",
    called={"en": "model import", "zh": "模型导入"},
    find_needs=_find_needs,
    prepare=_prepare,
    publish=publish_model,
)
