"""What can be asked of the queue: the input of `submit_job`, of the API and of the console."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PositiveInt, StringConstraints

from tunesmith.data.config import DataConfig, DatasetReference
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.schema import Name, Strict, setting
from tunesmith.training.config import TrainConfig

Text: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
# Keys become paths into JSON, in which neither database takes a quote or a control character.
MetadataKey: TypeAlias = Annotated[
    str, StringConstraints(max_length=64, pattern=r'^[^"\\\x00-\x1f]+$')
]
MetadataValue: TypeAlias = Annotated[str, StringConstraints(max_length=512, pattern=r"^[^\x00]*$")]


class TrainRequest(Strict):
    """Train as a recipe says, from the base model or from another run's checkpoint."""

    kind: Literal["train"] = "train"
    recipe: TrainConfig
    start_from: Text | None = setting(None, "RUN or RUN@STEP whose weights to begin with")


class ExtendRequest(Strict):
    """Train a finished run for more epochs."""

    kind: Literal["extend"] = "extend"
    run: Text
    epochs: PositiveInt = setting(1, "epochs to add", unit="epochs", le=50)
    name: Name | None = setting(None, "name of the new run; the old one by default")


class ImportRequest(Strict):
    """Make a dataset version of an uploaded file, or of one at an address."""

    kind: Literal["import"] = "import"
    name: Name = setting(..., "name of the dataset")
    file: Text | None = setting(None, "id of an uploaded file")
    url: Text | None = setting(None, "https://, hf:// or an object store's address")
    entry: Text | None = setting(None, "the dataset to take from a dataset_info.json")
    format: Text | None = setting(None, "shape of the rows; recognised if left out")
    mapping: dict[str, str] = setting({}, "columns of the file by field of the format")
    max_rejected_percent: float = setting(
        0.0, "rows that may be no examples", unit="%", ge=0, le=100
    )
    deduplicate: Deduplicate | None = setting(None, "leave out what repeats an earlier row")


class PullRequest(Strict):
    """Fetch a base model of the catalog."""

    kind: Literal["pull"] = "pull"
    model: Text


class PreflightRequest(Strict):
    """Find out what a recipe would train on what, and what it would take."""

    kind: Literal["preflight"] = "preflight"
    recipe: TrainConfig


class PreviewRequest(Strict):
    """Show examples token by token, as training would see them."""

    kind: Literal["preview"] = "preview"
    dataset: DatasetReference
    model: Text
    data: DataConfig | None = setting(None, "a recipe's data settings; the defaults if left out")
    first_row: PositiveInt = setting(1, "source row to begin with")
    limit: PositiveInt = setting(3, "examples to show", le=50)


JobRequest: TypeAlias = Annotated[
    TrainRequest | ExtendRequest | ImportRequest | PullRequest | PreflightRequest | PreviewRequest,
    Field(discriminator="kind"),
]


class Resources(Strict):
    """What a job needs. None is all that a worker has, so that the job runs alone there."""

    cores: PositiveInt | None = setting(None, "processor cores", le=4096)
    memory_bytes: PositiveInt | None = setting(None, "memory", unit="bytes", le=2**50)
    gpus: int = setting(0, "GPUs", ge=0, le=1024)


class JobOptions(Strict):
    """How a job is queued."""

    resources: Resources = setting(Resources(), "what the job needs")
    pool: Name | None = setting(None, "the pool of workers; the installation's default if None")
    priority: int = setting(0, "larger comes first among the tenant's own", ge=-100, le=100)
    notify: list[Text] = setting([], "ids of channels that hear of the job", max_length=20)
    metadata: dict[MetadataKey, MetadataValue] = setting(
        {}, "up to 16 notes of one's own", max_length=16
    )
