"""Mixing general data into a dataset."""

from sqlalchemy.orm import Session

from tunesmith.data.config import DataConfig
from tunesmith.data.job import MixJob
from tunesmith.errors import RecipeInvalid
from tunesmith.service import dataset_versions
from tunesmith.service.job_requests import MixRequest
from tunesmith.service.kinds.inputs import find_inputs, pin_base
from tunesmith.service.kinds.kind import Finished, JobKind, Needs
from tunesmith.service.kinds.outputs import publish_dataset
from tunesmith.service.services import Services
from tunesmith.store.tables import Job


def _find_needs(services: Services, tenant_id: str, request: MixRequest) -> Needs:
    mix = request.recipe.data.mix
    if mix is None:
        raise RecipeInvalid("the recipe mixes nothing in", hint="set data.mix.dataset")
    train, mixed = request.dataset, mix.model_dump()
    data = DataConfig.model_validate({"train": train, "mix": mixed}, strict=False)
    name = request.name or f"{request.dataset} with {mix.dataset}"
    return find_inputs(services, tenant_id, name=name, model=request.recipe.model, data=data)


def _prepare(services: Services, job: Job, request: MixRequest) -> MixJob:
    return dataset_versions.mix_job(
        services.home(job.tenant_id),
        request.dataset,
        config=request.recipe,
        base=pin_base(services, job, request.recipe.model).folder,
        keep=request.name is not None,
        pins=job.spec["pins"],
    )


def _publish(services: Services, db: Session, finished: Finished) -> None:
    if finished.outcome.artifact is not None:  # else it only found out what the mix would be
        publish_dataset(services, db, finished)


MIX = JobKind(
    stage="mix",
    id_prefix="mix",
    called={"en": "mix", "zh": "数据混合"},
    find_needs=_find_needs,
    prepare=_prepare,
    publish=_publish,
)
