"""The checkpoints of a tenant's run: which there are, and which of them stay whatever comes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tunesmith.artifacts import read_manifest
from tunesmith.service.preparation import job_folder
from tunesmith.service.run_pages import find_run
from tunesmith.service.runs import checkpoint_steps
from tunesmith.service.services import Services
from tunesmith.training.job import CHECKPOINTS
from tunesmith.training.pins import pinned_steps, set_pin


@dataclass(frozen=True)
class CheckpointView:
    """A checkpoint that a run can go on from, or another one start with."""

    step: int
    created_at: datetime
    num_bytes: int
    pinned: bool


def list_checkpoints(services: Services, tenant_id: str, run_id: str) -> list[CheckpointView]:
    """The checkpoints of a run that are complete, newest first.

    Raises:
        NotFound: the tenant has no such run.
    """
    folder = _folder(services, tenant_id, run_id)
    pinned = pinned_steps(folder / CHECKPOINTS)
    found: list[CheckpointView] = []
    for step, path in reversed(checkpoint_steps(folder).items()):
        manifest = read_manifest(path)
        if manifest is not None:  # or it has been deleted since
            made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            num_bytes = sum(entry.bytes for entry in manifest.files.values())
            found.append(CheckpointView(step, made, num_bytes, step in pinned))
    return found


def pin_checkpoint(
    services: Services, tenant_id: str, run_id: str, step: int, *, pinned: bool
) -> None:
    """Keep a checkpoint whatever `checkpoint.keep` says, or no longer; the run may be at work.

    Raises:
        NotFound: the tenant has no such run, or the run no such checkpoint, or no longer.
    """
    set_pin(_folder(services, tenant_id, run_id) / CHECKPOINTS, step, pinned=pinned)


def _folder(services: Services, tenant_id: str, run_id: str) -> Path:
    with services.database.reading() as db:
        return job_folder(services, find_run(db, tenant_id, run_id))
