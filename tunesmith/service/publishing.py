"""What a finished job leaves: published in the transaction that checks who holds the job."""

from datetime import datetime

from sqlalchemy.orm import Session

from tunesmith.jobs.folder import Outcome
from tunesmith.service.kinds import KINDS
from tunesmith.service.kinds.kind import Finished
from tunesmith.service.preparation import job_folder
from tunesmith.service.services import Services
from tunesmith.store.tables import Job


def publish(services: Services, db: Session, job: Job, outcome: Outcome, *, now: datetime) -> None:
    """Register what `job` made, under its name."""
    kind = KINDS[job.kind]
    if kind.publish is not None:
        kind.publish(services, db, Finished(job, job_folder(services, job), outcome, now))
