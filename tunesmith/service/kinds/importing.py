"""Making a dataset version of an uploaded file, or of one at an address."""

from tunesmith.data.job import ImportJob
from tunesmith.data.sources.fetching import is_remote
from tunesmith.errors import DatasetRejected
from tunesmith.service.files import file_path, find_file
from tunesmith.service.job_requests import ImportRequest
from tunesmith.service.kinds.kind import JobKind, Needs
from tunesmith.service.kinds.outputs import publish_dataset
from tunesmith.service.services import Services
from tunesmith.store.tables import Job


def _find_needs(services: Services, tenant_id: str, request: ImportRequest) -> Needs:
    if (request.file is None) == (request.url is None):
        raise DatasetRejected("an import needs either a file or a url", hint="give one of the two")
    if request.file is not None:
        find_file(services, tenant_id, request.file)
    elif request.url is not None and not is_remote(request.url):
        raise DatasetRejected(
            f"{request.url!r} is no address", hint="upload a file, or give https://... or hf://..."
        )
    return Needs(request.name)


def _prepare(services: Services, job: Job, request: ImportRequest) -> ImportJob:
    home = services.home(job.tenant_id)
    source, name = request.url or "", ""
    if request.file is not None:
        source = str(file_path(services, job.tenant_id, request.file))
        name = find_file(services, job.tenant_id, request.file).filename
    return ImportJob(
        source=source,
        name=name,
        entry=request.entry,
        format=request.format,
        mapping=request.mapping,
        max_rejected_percent=request.max_rejected_percent,
        deduplicate=request.deduplicate,
        into=str(home.datasets),
        scratch=str(home.cache),
    )


IMPORT = JobKind(
    stage="import",
    id_prefix="import",
    called={"en": "import", "zh": "数据导入"},
    find_needs=_find_needs,
    prepare=_prepare,
    publish=publish_dataset,
)
