"""What jobs of several kinds stand on: datasets and a base model, looked up and then pinned."""

from collections.abc import Iterator

from tunesmith.artifacts import read_manifest
from tunesmith.data.config import DataConfig, DatasetValidation
from tunesmith.errors import ModelRejected
from tunesmith.modeling.catalog import CATALOG, WRITERS
from tunesmith.service.files import FILE_PREFIX, find_file
from tunesmith.service.job_requests import ImportRequest, JobRequest, PullRequest
from tunesmith.service.kinds.kind import Needs
from tunesmith.service.models import find_base
from tunesmith.service.registry import find_model
from tunesmith.service.services import Services
from tunesmith.store.tables import Job, Model
from tunesmith.training.job import PinnedModel


def find_inputs(
    services: Services, tenant_id: str, *, name: str, model: str, data: DataConfig
) -> Needs:
    """What a job called `name` needs that reads the datasets of `data` and a base model.

    Raises:
        NotFound: a dataset, file or model of that name does not exist.
        ModelRejected: the model is a sentence encoder.
    """
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
    if must_be_pulled(services, tenant_id, model):
        first[model] = PullRequest(model=model)
    return Needs(name, pins, first)


def references(data: DataConfig) -> Iterator[str]:
    """Every dataset that data settings name."""
    yield from (entry.dataset for entry in data.train)
    if data.mix is not None:
        yield data.mix.dataset
    if isinstance(data.validation, DatasetValidation):
        yield data.validation.dataset


def must_be_pulled(services: Services, tenant_id: str, model: str) -> bool:
    """Whether a base model is one of the catalog that is not here yet.

    Raises:
        NotFound: it is neither in the catalog nor a model of the tenant. Paths are not looked at:
            they would be the server's.
        ModelRejected: it is a sentence encoder.
    """
    if model in CATALOG:
        if model not in WRITERS:
            raise ModelRejected(
                f"{model} is a sentence encoder, it writes no texts",
                hint="deploy it, and ask it for embeddings",
            )
        return read_manifest(services.installation.models / model) is None
    find_model(services, tenant_id, model)
    return False


def pin_base(services: Services, job: Job, reference: str) -> PinnedModel:
    """A base model of the catalog or a whole model of the tenant, as it is now.

    Raises:
        NotFound: there is no such model.
        ModelRejected: it is an adapter.
    """
    home = services.home(job.tenant_id)
    if reference in CATALOG:
        return find_base(home, reference)
    model = find_model(services, job.tenant_id, reference)
    if model.kind == "adapter":
        raise ModelRejected(
            f"{reference} is an adapter of {model.base}",
            hint=f"train {model.base}, and set start_from to the run that made the adapter",
        )
    return pin_model(services, model, reference=reference)


def pin_model(services: Services, model: Model, *, reference: str) -> PinnedModel:
    """A registered model, under the name by which it was asked for."""
    folder = services.home(model.tenant_id).folder / model.folder
    return PinnedModel(reference=reference, digest=model.digest, folder=str(folder))
