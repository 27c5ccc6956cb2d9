"""A checkpoint becomes a model: a version of its own, that can be named, compared and deployed."""

import shutil
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from tunesmith.artifacts import Manifest, commit_folder, write_json
from tunesmith.errors import Conflict, NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.modeling.config import SETTINGS
from tunesmith.schema import check_name
from tunesmith.service import runs
from tunesmith.service.access import Actor
from tunesmith.service.jobs import find_job
from tunesmith.service.model_pages import RegisteredModel, get_model
from tunesmith.service.preparation import job_folder
from tunesmith.service.registry import add_model, name_of_model, step_suffix
from tunesmith.service.services import Services
from tunesmith.store.tables import Alias, Job, Model, new_id
from tunesmith.training.job import TrainJob

_ADAPTER_CONFIG = "adapter_config.json"


def register_checkpoint(
    services: Services, actor: Actor, run_id: str, step: int, *, name: str | None = None
) -> RegisteredModel:
    """Make the checkpoint after `step` steps the next version of `name`, by default the run's name.

    Its files are copied, since a run deletes checkpoints that newer ones have superseded.

    Raises:
        NotFound: the tenant has no such run, or the run no such checkpoint.
        NameInvalid: `name` breaks the rules.
        Conflict: a base model or an alias has that name, or the checkpoint is registered already.
    """
    with services.database.reading() as db:
        job = find_job(db, actor.tenant_id, run_id)
    run = job_folder(services, job)
    checkpoint = runs.checkpoint_steps(run).get(step) if job.kind == "train" else None
    if checkpoint is None:
        raise NotFound(f"run {run_id} has no checkpoint {step}")
    name = name_of_model(job) if name is None else check_name(name)
    folder = run / "registered" / new_id("step")
    manifest = _copy(checkpoint / "weights", folder, runs.read_job(run), step=step)
    try:
        return _register(services, job, manifest, name=name, folder=folder, step=step)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def find_registered(
    services: Services, tenant_id: str, run_id: str, step: int
) -> RegisteredModel | None:
    """The version that the checkpoint after `step` steps was made, if it was made one."""
    made_of_it = select(Model.id).where(
        Model.tenant_id == tenant_id,
        Model.job_id == run_id,
        Model.id.endswith(step_suffix(step), autoescape=True),
    )
    with services.database.reading() as db:
        found = db.scalars(made_of_it).first()
    return None if found is None else get_model(services, tenant_id, found)


def _register(
    services: Services, job: Job, manifest: Manifest, *, name: str, folder: Path, step: int
) -> RegisteredModel:
    where = str(folder.relative_to(services.home(job.tenant_id).folder))
    now = services.clock()
    try:
        with services.database.transaction() as db:
            if name in CATALOG or db.get(Alias, (job.tenant_id, name)):
                raise Conflict(
                    f"there is a base model or alias {name!r}", hint="choose another name"
                )
            model = add_model(db, job, manifest, name=name, folder=where, now=now, step=step)
    except IntegrityError as error:
        raise Conflict(f"step {step} of run {job.id} is registered as {name} already") from error
    return get_model(services, job.tenant_id, model.id)


def _copy(weights: Path, folder: Path, job: TrainJob, *, step: int) -> Manifest:
    """What a result would be: the trained part, and what using it takes."""

    def write(target: Path) -> None:
        shutil.copytree(weights, target, dirs_exist_ok=True)
        write_json(target / SETTINGS, job.settings)

    kind = "adapter" if (weights / _ADAPTER_CONFIG).is_file() else "model"
    lineage = {
        **job.identity,
        "name": job.config.name,
        "base_reference": job.base.reference,
        "seed": job.config.seed,
        "steps": step,
    }
    return commit_folder(folder, kind=kind, write=write, lineage=lineage)
