"""The data that newcomers try it with: questions, answered in JSON (`examples/nl2json`)."""

from pathlib import Path

from tunesmith.service.access import Actor
from tunesmith.service.files import store_file
from tunesmith.service.job_requests import ImportRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.services import Services
from tunesmith.service.submitting import submit_job

SAMPLES = ("sample-heldout", "sample")


def import_samples(services: Services, actor: Actor) -> list[JobView]:
    """Queue the import of the held-out part and, last, of the data to train on.

    Raises:
        QuotaExceeded: the tenant has no room, or too many jobs of it wait.
        NotEnoughDisk: the disk is full.
    """
    return [_import_sample(services, actor, name) for name in SAMPLES]


def _import_sample(services: Services, actor: Actor, name: str) -> JobView:
    source = Path(__file__).parent / f"{name}.jsonl"
    with source.open("rb") as stream:
        file = store_file(services, stream, filename=source.name, purpose="fine-tune", actor=actor)
    return submit_job(services, ImportRequest(name=name, file=file.id), actor=actor)
