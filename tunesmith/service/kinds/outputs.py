"""What jobs of several kinds leave under their name: a dataset version, a model."""

from pathlib import Path

from sqlalchemy.orm import Session

from tunesmith.artifacts import read_manifest
from tunesmith.errors import ArtifactCorrupt
from tunesmith.service.kinds.kind import Finished
from tunesmith.service.registry import add_model, name_of_model
from tunesmith.service.services import Services
from tunesmith.store.names import point_name
from tunesmith.training.job import RESULT


def publish_dataset(services: Services, db: Session, finished: Finished) -> None:
    """Let the job's name point to the version that it made."""
    job, version = finished.job, finished.outcome.digest
    point_name(db, "dataset", job.name, version, tenant_id=job.tenant_id, now=finished.now)


def publish_model(services: Services, db: Session, finished: Finished) -> None:
    """Register the result as the next version of the model that the job makes.

    Raises:
        ArtifactCorrupt: it is gone.
    """
    job, artifact = finished.job, finished.outcome.artifact
    manifest = read_manifest(Path(artifact)) if artifact else None
    if manifest is None:
        raise ArtifactCorrupt(f"the result of job {job.id} is gone")
    folder = (finished.folder / RESULT).relative_to(services.home(job.tenant_id).folder)
    add_model(db, job, manifest, name=name_of_model(job), folder=str(folder), now=finished.now)
