"""What a finished job leaves: published in the transaction that checks who holds the job."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tunesmith.artifacts import read_manifest
from tunesmith.errors import ArtifactCorrupt
from tunesmith.jobs.folder import Outcome
from tunesmith.store.names import point_name
from tunesmith.store.tables import Job, Model, Tenant, new_id


def publish(db: Session, job: Job, outcome: Outcome, *, now: datetime) -> None:
    """Register what `job` made, under its name."""
    publisher = _PUBLISHERS.get(job.kind)
    if publisher is not None:
        publisher(db, job, outcome, now)


def _dataset(db: Session, job: Job, outcome: Outcome, now: datetime) -> None:
    point_name(db, "dataset", job.name, outcome.digest, tenant_id=job.tenant_id, now=now)


def _model(db: Session, job: Job, outcome: Outcome, now: datetime) -> None:
    db.get_one(Tenant, job.tenant_id, with_for_update=True)  # versions are counted one by one
    newest = select(func.coalesce(func.max(Model.version), 0)).where(
        Model.tenant_id == job.tenant_id, Model.name == job.name
    )
    manifest = read_manifest(Path(outcome.artifact)) if outcome.artifact else None
    if manifest is None:
        raise ArtifactCorrupt(f"the result of job {job.id} is gone")
    db.add(
        Model(
            id=new_id("model"),
            tenant_id=job.tenant_id,
            name=job.name,
            version=db.scalars(newest).one() + 1,
            kind=manifest.kind,
            base=str(manifest.lineage.get("base_reference", "")),
            job_id=job.id,
            digest=outcome.digest,
            folder=f"runs/{job.id}/result",
            created_at=now,
        )
    )


_PUBLISHERS: Mapping[str, Callable[[Session, Job, Outcome, datetime], None]] = {
    "import": _dataset,
    "train": _model,
}
