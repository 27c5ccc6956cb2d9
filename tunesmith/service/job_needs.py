"""What a requested job stands on: checked, pinned, or made first by jobs of their own."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from tunesmith.artifacts import read_manifest
from tunesmith.data.config import DataConfig, DatasetValidation
from tunesmith.data.sources.fetching import is_remote
from tunesmith.errors import AccessDenied, DatasetRejected, NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service import runs
from tunesmith.service.files import find_file
from tunesmith.service.job_requests import (
    ExtendRequest,
    ImportRequest,
    JobRequest,
    PreflightRequest,
    PreviewRequest,
    PullRequest,
    TrainRequest,
)
from tunesmith.service.services import Services
from tunesmith.store.tables import Alias, Model
from tunesmith.training.config import ServerTracker, TrainConfig

FILE_PREFIX = "file-"  # an uploaded file may stand where a dataset may; it is imported first


@dataclass(frozen=True)
class Needs:
    """What a request comes to.

    Attributes:
        name: what to call the job.
        pins: dataset versions by the references of the recipe.
        first: jobs that have to succeed first, by their names.
        recipe: what an extension comes to; a training's is in its request.
    """

    name: str
    pins: Mapping[str, str] = field(default_factory=dict[str, str])
    first: Mapping[str, JobRequest] = field(default_factory=dict[str, JobRequest])
    recipe: TrainConfig | None = None


def find_needs(services: Services, tenant_id: str, request: JobRequest) -> Needs:
    """Look everything up that `request` names.

    Raises:
        NotFound: a dataset, file, model or run of that name does not exist.
        AccessDenied: a recipe names a tracker's address.
        ResumeRefused: the run to extend is not finished.
        DatasetRejected: an import names neither a file nor an address.
    """
    return _FINDERS[request.kind](services, tenant_id, request)


def _of_train(services: Services, tenant_id: str, request: TrainRequest) -> Needs:
    if request.start_from is not None:
        runs.find_run(services.home(tenant_id), request.start_from.partition("@")[0])
    recipe = request.recipe
    if any(isinstance(each, ServerTracker) and each.uri is not None for each in recipe.trackers):
        # A job would connect, or write, wherever a tenant pleases.
        raise AccessDenied(
            "a recipe for the service may not choose a tracker's address",
            hint="leave uri out; the operator sets the tracker's own variables in job_environment",
        )
    return _of_recipe(services, tenant_id, recipe.name, recipe.model, recipe.data)


def _of_preflight(services: Services, tenant_id: str, request: PreflightRequest) -> Needs:
    recipe = request.recipe
    return _of_recipe(services, tenant_id, recipe.name, recipe.model, recipe.data)


def _of_preview(services: Services, tenant_id: str, request: PreviewRequest) -> Needs:
    data = DataConfig.model_validate({"train": request.dataset}, strict=False)
    return _of_recipe(services, tenant_id, request.dataset, request.model, data)


def _of_recipe(
    services: Services, tenant_id: str, name: str, model: str, data: DataConfig
) -> Needs:
    home = services.home(tenant_id)
    pins: dict[str, str] = {}
    first: dict[str, JobRequest] = {}
    known = {entry.name for entry in home.entries("dataset")}
    for reference in dict.fromkeys(references(data)):
        if reference.startswith(FILE_PREFIX) and reference not in known:
            find_file(services, tenant_id, reference)
            first[reference] = ImportRequest(name=reference, file=reference)
        else:
            pins[reference] = home.find("dataset", reference).id
    if _must_be_pulled(services, tenant_id, model):
        first[model] = PullRequest(model=model)
    return Needs(name, pins, first)


def references(data: DataConfig) -> Iterator[str]:
    """Every dataset that data settings name."""
    yield from (entry.dataset for entry in data.train)
    if data.mix is not None:
        yield data.mix.dataset
    if isinstance(data.validation, DatasetValidation):
        yield data.validation.dataset


def _must_be_pulled(services: Services, tenant_id: str, model: str) -> bool:
    """Whether a base model is one of the catalog that is not here yet.

    Raises:
        NotFound: it is neither in the catalog nor a model of the tenant. Paths are not looked at:
            they would be the server's.
    """
    if model in CATALOG:
        return read_manifest(services.installation.models / model) is None
    find_model(services, tenant_id, model)
    return False


def find_model(services: Services, tenant_id: str, reference: str) -> Model:
    """A registered model by id, name (its newest version), NAME@VERSION or alias.

    Raises:
        NotFound: the tenant has no such model.
    """
    name, _, version = reference.partition("@")
    wanted = select(Model).where(Model.tenant_id == tenant_id)
    if version.isdigit():
        wanted = wanted.where(Model.name == name, Model.version == int(version))
    else:
        alias = select(Alias.model_id).where(Alias.tenant_id == tenant_id, Alias.name == reference)
        wanted = wanted.where(
            (Model.id == reference) | (Model.name == reference) | Model.id.in_(alias)
        )
    with services.database.reading() as db:
        model = db.scalars(wanted.order_by(Model.version.desc()).limit(1)).first()
    if model is None:
        raise NotFound(
            f"there is no model {reference!r}", hint=f"base models: {', '.join(sorted(CATALOG))}"
        )
    return model


def _of_extend(services: Services, tenant_id: str, request: ExtendRequest) -> Needs:
    folder = runs.find_run(services.home(tenant_id), request.run)
    # Built and thrown away: what it refuses is refused now and not when its turn has come.
    job = runs.extend_run(folder, epochs=request.epochs, name=request.name, now=services.clock())
    return Needs(job.config.name, recipe=job.config)


def _of_import(services: Services, tenant_id: str, request: ImportRequest) -> Needs:
    if (request.file is None) == (request.url is None):
        raise DatasetRejected("an import needs either a file or a url", hint="give one of the two")
    if request.file is not None:
        find_file(services, tenant_id, request.file)
    elif request.url is not None and not is_remote(request.url):
        raise DatasetRejected(
            f"{request.url!r} is no address", hint="upload a file, or give https://... or hf://..."
        )
    return Needs(request.name)


def _of_pull(services: Services, tenant_id: str, request: PullRequest) -> Needs:
    if request.model not in CATALOG:
        raise NotFound(
            f"unknown base model {request.model!r}", hint=f"there are: {', '.join(sorted(CATALOG))}"
        )
    return Needs(request.model)


_FINDERS: Mapping[str, Callable[[Services, str, Any], Needs]] = {
    "train": _of_train,
    "extend": _of_extend,
    "import": _of_import,
    "pull": _of_pull,
    "preflight": _of_preflight,
    "preview": _of_preview,
}
