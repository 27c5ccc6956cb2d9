"""From a job in the queue to a job folder: every name pinned, written once and never changed."""

from pathlib import Path

from pydantic import TypeAdapter

from tunesmith.artifacts import write_json
from tunesmith.jobs.folder import JOB
from tunesmith.service.job_requests import JobRequest
from tunesmith.service.kinds import KINDS
from tunesmith.service.services import Services
from tunesmith.store.tables import Job

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
    spec = KINDS[request.kind].prepare(services, job, request)
    write_json(folder / JOB, spec.model_dump(mode="json"))
    return folder
