"""Training, training longer, and finding out what a training would take."""

from sqlalchemy.orm import Session

from tunesmith.errors import AccessDenied
from tunesmith.service import runs
from tunesmith.service.files import add_file
from tunesmith.service.job_requests import ExtendRequest, PreflightRequest, TrainRequest
from tunesmith.service.kinds.inputs import find_inputs, pin_base
from tunesmith.service.kinds.kind import Finished, JobKind, Needs
from tunesmith.service.kinds.outputs import publish_model
from tunesmith.service.services import Services
from tunesmith.service.training_metrics import as_csv, read_metrics
from tunesmith.store.tables import Job
from tunesmith.training.config import ServerTracker, TrainConfig
from tunesmith.training.job import PreflightJob, TrainJob


def _needs_of_training(services: Services, tenant_id: str, request: TrainRequest) -> Needs:
    if request.start_from is not None:
        runs.find_run(services.home(tenant_id), request.start_from.partition("@")[0])
    recipe = request.recipe
    if any(isinstance(each, ServerTracker) and each.uri is not None for each in recipe.trackers):
        # A job would connect, or write, wherever a tenant pleases.
        raise AccessDenied(
            "a recipe for the service may not choose a tracker's address",
            hint="leave uri out; the operator sets the tracker's own variables in job_environment",
        )
    return _needs_of_recipe(services, tenant_id, recipe)


def _needs_of_preflight(services: Services, tenant_id: str, request: PreflightRequest) -> Needs:
    return _needs_of_recipe(services, tenant_id, request.recipe)


def _needs_of_recipe(services: Services, tenant_id: str, recipe: TrainConfig) -> Needs:
    return find_inputs(services, tenant_id, name=recipe.name, model=recipe.model, data=recipe.data)


def _needs_of_extension(services: Services, tenant_id: str, request: ExtendRequest) -> Needs:
    folder = runs.find_run(services.home(tenant_id), request.run)
    # Built and thrown away: what it refuses is refused now and not when its turn has come.
    job = runs.extend_run(folder, epochs=request.epochs, name=request.name, now=services.clock())
    return Needs(job.config.name, recipe=job.config)


def _prepare_training(services: Services, job: Job, request: TrainRequest) -> TrainJob:
    return _train_job(services, job, request.recipe, start_from=request.start_from)


def _prepare_preflight(services: Services, job: Job, request: PreflightRequest) -> PreflightJob:
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
        base=pin_base(services, job, recipe.model),
        pins=job.spec["pins"],
    )


def _prepare_extension(services: Services, job: Job, request: ExtendRequest) -> TrainJob:
    folder = runs.find_run(services.home(job.tenant_id), request.run)
    return runs.extend_run(
        folder,
        epochs=request.epochs,
        name=request.name,
        now=services.clock(),
        run_id=job.id,
    )


def _publish_training(services: Services, db: Session, finished: Finished) -> None:
    publish_model(services, db, finished)
    job, metrics = finished.job, read_metrics(finished.folder)
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


TRAIN = JobKind(
    stage="train",
    id_prefix="ftjob",  # the id of a fine-tuning job is also that of its run
    called={"en": "training", "zh": "训练"},
    find_needs=_needs_of_training,
    prepare=_prepare_training,
    publish=_publish_training,
)
EXTEND = JobKind(  # a training that begins where another ended
    stage=TRAIN.stage,
    id_prefix=TRAIN.id_prefix,
    called=TRAIN.called,
    find_needs=_needs_of_extension,
    prepare=_prepare_extension,
    publish=TRAIN.publish,
)
PREFLIGHT = JobKind(
    stage="preflight",
    id_prefix="preflight",
    called={"en": "preflight", "zh": "预检"},
    find_needs=_needs_of_preflight,
    prepare=_prepare_preflight,
)
