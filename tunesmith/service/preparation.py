"""From a job in the queue to a job folder: every name pinned, written once and never changed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tunesmith.artifacts import write_json
from tunesmith.data.config import DataConfig
from tunesmith.data.job import ImportJob, PreviewJob
from tunesmith.errors import ModelRejected
from tunesmith.jobs.folder import JOB
from tunesmith.jobs.spec import JobSpec
from tunesmith.modeling.catalog import CATALOG
from tunesmith.modeling.job import PullJob
from tunesmith.service import runs
from tunesmith.service.files import file_path, find_file
from tunesmith.service.job_needs import find_model
from tunesmith.service.job_requests import (
    ExtendRequest,
    ImportRequest,
    JobRequest,
    PreflightRequest,
    PreviewRequest,
    PullRequest,
    TrainRequest,
)
from tunesmith.service.models import find_base
from tunesmith.service.services import Services
from tunesmith.store.tables import Job
from tunesmith.training.config import TrainConfig
from tunesmith.training.job import PinnedModel, PreflightJob, TrainJob

_REQUEST: TypeAdapter[JobRequest] = TypeAdapter(JobRequest)


def job_folder(services: Services, job: Job) -> Path:
    """Where a job works. A fine-tuning's is its run's."""
    home = services.home(job.tenant_id)
    return (home.runs if job.kind == "train" else home.folder / "jobs") / job.id


def prepare_folder(services: Services, job: Job) -> Path:
    """Write the folder of `job` unless an earlier attempt did; durable on return.

    Raises:
        UserError: something that the job names is gone.
        ModelRejected: the base model cannot be trained.
    """
    folder = job_folder(services, job)
    if (folder / JOB).exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    request = _REQUEST.validate_python(job.spec["request"], strict=False)
    spec = _PREPARERS[request.kind](services, job, request)
    write_json(folder / JOB, spec.model_dump(mode="json"))
    return folder


def _train(services: Services, job: Job, request: TrainRequest) -> TrainJob:
    return _train_job(services, job, request.recipe, start_from=request.start_from)


def _preflight(services: Services, job: Job, request: PreflightRequest) -> PreflightJob:
    return PreflightJob(run=_train_job(services, job, request.recipe, start_from=None))


def _train_job(
    services: Services, job: Job, recipe: TrainConfig, *, start_from: str | None
) -> TrainJob:
    return runs.prepare_job(
        services.home(job.tenant_id),
        recipe,
        now=services.clock(),
        start_from=start_from,
        run_id=job.id,
        base=_base(services, job, recipe.model),
        pins=job.spec["pins"],
    )


def _base(services: Services, job: Job, reference: str) -> PinnedModel:
    home = services.home(job.tenant_id)
    if reference in CATALOG:
        return find_base(home, reference)
    model = find_model(services, job.tenant_id, reference)
    if model.kind == "adapter":
        raise ModelRejected(
            f"{reference} is an adapter of {model.base}",
            hint=f"train {model.base} and set start_from to the run {model.job_id}",
        )
    folder = home.folder / model.folder
    return PinnedModel(reference=reference, digest=model.digest, folder=str(folder))


def _extend(services: Services, job: Job, request: ExtendRequest) -> TrainJob:
    folder = runs.find_run(services.home(job.tenant_id), request.run)
    return runs.extend_run(
        folder,
        epochs=request.epochs,
        name=request.name,
        now=services.clock(),
        run_id=job.id,
    )


def _import(services: Services, job: Job, request: ImportRequest) -> ImportJob:
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


def _pull(services: Services, job: Job, request: PullRequest) -> PullJob:
    return PullJob(source=request.model, models=str(services.installation.models))


def _preview(services: Services, job: Job, request: PreviewRequest) -> PreviewJob:
    home = services.home(job.tenant_id)
    pinned = job.spec["pins"].get(request.dataset) or home.find("dataset", request.dataset).id
    data = request.data or DataConfig.model_validate({"train": request.dataset}, strict=False)
    return PreviewJob(
        dataset=str(home.datasets / pinned),
        base=_base(services, job, request.model).folder,
        data=data,
        first_row=request.first_row,
        limit=request.limit,
    )


_PREPARERS: Mapping[str, Callable[[Services, Job, Any], JobSpec]] = {
    "train": _train,
    "extend": _extend,
    "import": _import,
    "pull": _pull,
    "preflight": _preflight,
    "preview": _preview,
}
