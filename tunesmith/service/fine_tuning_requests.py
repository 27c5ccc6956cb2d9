"""What a client of OpenAI's asks for, and the training that it comes to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, TypeAlias, cast

from pydantic import BeforeValidator, Field, JsonValue, PositiveInt, model_validator
from sqlalchemy import select

from tunesmith.errors import NotFound, RecipeInvalid
from tunesmith.modeling.catalog import CATALOG
from tunesmith.modeling.config import DEFAULT_LEARNING_RATES
from tunesmith.schema import Strict, check_name, setting
from tunesmith.service.files import FILE_PREFIX, find_file
from tunesmith.service.job_requests import (
    JobOptions,
    MetadataKey,
    MetadataValue,
    Text,
    TrainRequest,
)
from tunesmith.service.registry import find_model, model_id, name_of_model
from tunesmith.service.runs import recipe_of
from tunesmith.service.services import Services
from tunesmith.store.tables import Job, Tenant
from tunesmith.training.config import TrainConfig

PURPOSE = "fine-tune"

Auto: TypeAlias = Literal["auto"]


class Hyperparameters(Strict):
    """The few settings that OpenAI's clients know; `recipe` reaches all others."""

    n_epochs: Annotated[int, Field(ge=1, le=50)] | Auto = "auto"
    batch_size: PositiveInt | Auto = "auto"
    learning_rate_multiplier: Annotated[float, Field(gt=0, le=1000)] | Auto = "auto"


class Supervised(Strict):
    """Settings of supervised fine-tuning."""

    hyperparameters: Hyperparameters = Hyperparameters()


class Method(Strict):
    """How to fine-tune."""

    type: Literal["supervised", "dpo", "reinforcement"]
    supervised: Supervised = Supervised()
    dpo: dict[str, JsonValue] | None = None
    reinforcement: dict[str, JsonValue] | None = None

    @model_validator(mode="after")
    def _offered(self) -> Self:
        if self.type != "supervised":
            raise ValueError(f"{self.type} is not offered; method.type is supervised")
        return self


def _none_as_empty(value: Any) -> Any:
    return {} if value is None else value


class FineTuningRequest(JobOptions):
    """A fine-tuning job: OpenAI's fields, and ours, which clients send as `extra_body`."""

    model: Text = setting(..., "base model, or a fine-tuned one or a checkpoint to go on from")
    training_file: Text = setting(..., "id of an uploaded file, or the name of a dataset")
    validation_file: Text | None = setting(None, "the same, to measure progress on")
    suffix: str | None = setting(None, "what the model is called", max_length=64)
    seed: int | None = setting(None, "origin of every random choice", ge=0, lt=2**32)
    method: Method | None = setting(None, "how to fine-tune")
    hyperparameters: Hyperparameters | None = setting(None, "the older place of the settings")
    integrations: list[JsonValue] | None = setting(None, "none are offered")
    metadata: Annotated[
        dict[MetadataKey, MetadataValue],
        BeforeValidator(_none_as_empty, json_schema_input_type=dict[str, str] | None),
    ] = setting({}, "up to 16 notes of one's own", max_length=16)
    recipe: dict[str, JsonValue] = setting({}, "settings of a recipe, which win over the others")

    @model_validator(mode="after")
    def _offered(self) -> Self:
        if self.integrations:
            raise ValueError("integrations are not offered; metrics are in events and result file")
        if self.method is not None and self.hyperparameters is not None:
            raise ValueError("give either method or hyperparameters, its older form")
        if "model" in self.recipe:
            raise ValueError("recipe.model is given as model")
        return self

    @property
    def settings(self) -> Hyperparameters:
        """The hyperparameters, wherever they stand."""
        if self.method is not None:
            return self.method.supervised.hyperparameters
        return self.hyperparameters or Hyperparameters()

    @property
    def options(self) -> JobOptions:
        """How the job is queued."""
        return JobOptions(**{name: getattr(self, name) for name in JobOptions.model_fields})


def to_training(services: Services, tenant_id: str, request: FineTuningRequest) -> TrainRequest:
    """The training that `request` comes to.

    Raises:
        NotFound: the tenant has no such model.
        NameInvalid: the suffix cannot be made a name.
        RecipeInvalid: a file cannot be trained on, or `recipe` has a setting that does not exist.
    """
    beginning = _find_beginning(services, tenant_id, request.model)
    files = {"training_file": request.training_file, "validation_file": request.validation_file}
    for param, reference in files.items():
        if reference is not None:
            _check_file(services, tenant_id, reference, param=param)
    values: dict[str, Any] = {
        "name": _name(request.suffix) or beginning.name,
        "model": beginning.base,
        "data": {"train": request.training_file},
        "training": {},
        **beginning.settings,
    }
    if request.validation_file is not None:
        values["data"]["validation"] = {"kind": "dataset", "dataset": request.validation_file}
    if request.seed is not None:
        values["seed"] = request.seed
    values = _merged(values, request.recipe)
    _set_hyperparameters(values, request)
    return TrainRequest(recipe=recipe_of(values), start_from=beginning.start_from)


def _set_hyperparameters(values: dict[str, Any], request: FineTuningRequest) -> None:
    """Put what is not auto into the recipe, unless `recipe` says the same thing itself."""
    asked, training = request.settings, values["training"]
    if not isinstance(training, dict):  # the recipe's own check says what is wrong with it
        return
    given = cast("dict[str, Any]", training)
    if asked.n_epochs != "auto":
        given.setdefault("epochs", asked.n_epochs)
    if asked.batch_size != "auto":
        given.setdefault("batch_size", asked.batch_size)
    if asked.learning_rate_multiplier != "auto":
        # The rate that is multiplied is the method's, and which method it is the recipe knows.
        usual = DEFAULT_LEARNING_RATES[recipe_of(values).method.kind]
        given.setdefault("learning_rate", asked.learning_rate_multiplier * usual)


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes`, group by group."""
    result = dict(values)
    for key, change in changes.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(change, dict):
            change = _merged(cast("dict[str, Any]", old), cast("dict[str, Any]", change))
        result[key] = change
    return result


def _name(suffix: str | None) -> str | None:
    """A suffix as a name: OpenAI allows characters that names of ours have not, such as '.'.

    Raises:
        NameInvalid: it breaks the rules for names in another way.
    """
    return check_name(re.sub(r"[^\w-]", "-", suffix)) if suffix else None


def _check_file(services: Services, tenant_id: str, reference: str, *, param: str) -> None:
    """Refuse a file that is not there or is not for training. Datasets are looked up later.

    Raises:
        RecipeInvalid: naming the parameter.
    """
    if not reference.startswith(FILE_PREFIX):
        return
    try:
        purpose = find_file(services, tenant_id, reference).purpose
    except NotFound as error:
        raise RecipeInvalid(f"{param}: {error.message}", hint="upload it first") from None
    if purpose != PURPOSE:
        raise RecipeInvalid(f"{param}: the purpose of {reference} is {purpose}, not {PURPOSE}")


# --- what a training begins with ---------------------------------------------------------------


@dataclass(frozen=True)
class _Beginning:
    """A base model, the run or checkpoint to start from, and settings that this asks for."""

    base: str
    name: str  # of the model to be made, if nothing else is asked for
    start_from: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])


_CHECKPOINT = re.compile(r"(?P<model>ft:.+):ckpt-step-(?P<step>\d{1,9})")


def checkpoint_id(model: str, step: int) -> str:
    """What the checkpoint of `model` after `step` steps is called."""
    return f"{model}:ckpt-step-{step}"


def _find_beginning(services: Services, tenant_id: str, reference: str) -> _Beginning:
    if reference in CATALOG:
        return _Beginning(reference, name=f"ft-{reference}")
    match = _CHECKPOINT.fullmatch(reference)
    if match is not None:
        job = _find_maker(services, tenant_id, match["model"])
        return _after(job, f"{job.id}@{match['step']}")
    model = find_model(services, tenant_id, reference)
    if model.kind == "adapter" and model.job_id is not None:
        with services.database.reading() as db:
            return _after(db.get_one(Job, model.job_id), model.job_id)
    return _Beginning(model.id, name=model.name)


def _after(job: Job, start_from: str) -> _Beginning:
    """Go on where `job` was, by the same method: its weights fit no other."""
    recipe = recipe_of_job(job)
    settings = {"method": recipe.method.model_dump(mode="json")}
    return _Beginning(recipe.model, job.name, start_from, settings)


def recipe_of_job(job: Job) -> TrainConfig:
    """The recipe of a training in the queue, as it was asked for."""
    spec = job.spec
    return recipe_of(spec["extended_recipe"] or spec["request"]["recipe"])


def _find_maker(services: Services, tenant_id: str, model: str) -> Job:
    """The training that made `model`, or makes it still.

    Raises:
        NotFound: the tenant has none.
    """
    short = model.rpartition(":")[2]
    fitting = select(Job).where(
        Job.tenant_id == tenant_id,
        Job.kind == "train",
        Job.id.endswith(short, autoescape=True),
    )
    with services.database.reading() as db:
        tenant = db.get_one(Tenant, tenant_id).name
        for job in db.scalars(fitting):
            if model == model_of_job(job, tenant):
                return job
    raise NotFound(f"there is no model {model!r}")


def model_of_job(job: Job, tenant: str) -> str:
    """What the model that a training makes is or will be called."""
    base = recipe_of_job(job).model
    return model_id(base=base, tenant=tenant, name=name_of_model(job), job_id=job.id)
