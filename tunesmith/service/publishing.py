"""What a finished job leaves: published in the transaction that checks who holds the job."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tunesmith.artifacts import read_manifest
from tunesmith.errors import ArtifactCorrupt
from tunesmith.jobs.folder import Outcome
from tunesmith.service.files import add_file
from tunesmith.service.preparation import job_folder
from tunesmith.service.registry import model_id
from tunesmith.service.services import Services
from tunesmith.service.training_metrics import as_csv, read_metrics
from tunesmith.store.names import point_name
from tunesmith.store.tables import Job, Model, Tenant


def publish(services: Services, db: Session, job: Job, outcome: Outcome, *, now: datetime) -> None:
    """Register what `job` made, under its name."""
    publisher = _PUBLISHERS.get(job.kind)
    if publisher is not None:
        publisher(services, db, job, outcome, now)


def _dataset(services: Services, db: Session, job: Job, outcome: Outcome, now: datetime) -> None:
    point_name(db, "dataset", job.name, outcome.digest, tenant_id=job.tenant_id, now=now)


def _training(services: Services, db: Session, job: Job, outcome: Outcome, now: datetime) -> None:
    _model(db, job, outcome, now)
    _metrics(services, db, job)


def _model(db: Session, job: Job, outcome: Outcome, now: datetime) -> None:
    # Held, so that versions are counted one by one.
    tenant = db.get_one(Tenant, job.tenant_id, with_for_update=True)
    newest = select(func.coalesce(func.max(Model.version), 0)).where(
        Model.tenant_id == job.tenant_id, Model.name == job.name
    )
    manifest = read_manifest(Path(outcome.artifact)) if outcome.artifact else None
    if manifest is None:
        raise ArtifactCorrupt(f"the result of job {job.id} is gone")
    base = str(manifest.lineage.get("base_reference", ""))
    db.add(
        Model(
            id=model_id(base=base, tenant=tenant.name, name=job.name, job_id=job.id),
            tenant_id=job.tenant_id,
            name=job.name,
            version=db.scalars(newest).one() + 1,
            kind=manifest.kind,
            base=base,
            job_id=job.id,
            digest=outcome.digest,
            folder=f"runs/{job.id}/result",
            created_at=now,
        )
    )


def _metrics(services: Services, db: Session, job: Job) -> None:
    metrics = read_metrics(job_folder(services, job))
    file = add_file(
        services,
        db,
        job,
        as_csv(metrics),
        filename="step_metrics.csv",
        purpose="fine-tune-results",
    )
    job.details = {
        **job.details,
        "result_files": [file.id],
        "trained_tokens": metrics.num_tokens,
    }


_PUBLISHERS: Mapping[str, Callable[[Services, Session, Job, Outcome, datetime], None]] = {
    "import": _dataset,
    "train": _training,
}
