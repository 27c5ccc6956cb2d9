"""What can be asked of the queue: the input of `submit_job`, of the API and of the console."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints

from tunesmith.data.config import DataConfig, DatasetReference
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.evaluation.config import DEFAULT_METRICS, AnswerSettings, MetricName
from tunesmith.evaluation.questions import Prompt
from tunesmith.evaluation.tasks import Task
from tunesmith.schema import LongText, Name, Strict, setting
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


class RegisterRequest(Strict):
    """Make a model version of an uploaded archive: an adapter, or whole weights."""

    kind: Literal["register"] = "register"
    name: Name = setting(..., "name of the model")
    file: Text = setting(..., "id of an uploaded tar file or zip, in PEFT or Hugging Face layout")
    base: Text | None = setting(
        None, "what an adapter is for: a base model or a model of yours; as its files say if None"
    )


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


class MixRequest(Strict):
    """Mix general data into a dataset as a recipe says, or find out what that comes to."""

    kind: Literal["mix"] = "mix"
    dataset: DatasetReference = setting(..., "the dataset to mix into")
    recipe: TrainConfig = setting(..., "its data.mix says what, its model's tokens count")
    name: Name | None = setting(None, "keep the mix as a dataset of this name")


class ContestantRequest(Strict):
    """A model that is compared, and how it is asked."""

    model: Text = setting(
        ..., "a base model, a model's id, NAME, NAME@VERSION or alias, or RUN@STEP"
    )
    label: Text | None = setting(None, "what to call it; as `model` says if left out")
    system_prompt: LongText | None = setting(
        None, "instead of the one it was trained with; empty for none"
    )
    prompt: Text | None = setting(
        None, "how it is asked: NAME or NAME@VERSION of a prompt of the library"
    )
    character: Text | None = setting(
        None, "who it plays: NAME or NAME@VERSION of a character of the library"
    )

    @property
    def name(self) -> str:
        """What it is called in the comparison."""
        return self.label or " ".join(filter(None, (self.model, self.prompt, self.character)))


def _check_labels(models: list[ContestantRequest]) -> list[ContestantRequest]:
    labels = [each.name for each in models]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise ValueError(f"{twice[0]!r} is there twice; give labels that differ")
    return models


Contestants: TypeAlias = Annotated[list[ContestantRequest], AfterValidator(_check_labels)]


class CompareRequest(Strict):
    """Ask several models the same, side by side: `prompts`, or the conversations of a `dataset`."""

    kind: Literal["compare"] = "compare"
    name: Name = setting("comparison", "what to call it")
    models: Contestants = setting(..., "who is asked", min_length=1, max_length=20)
    prompts: list[Prompt] = setting([], "what they are asked", max_length=1000)
    dataset: DatasetReference | None = setting(None, "or whose last answers are the references")
    limit: PositiveInt = setting(100, "of the dataset, the first so many", le=10_000)
    answers: AnswerSettings = setting(AnswerSettings(), "how all of them answer")
    metrics: list[MetricName] = setting(
        list(DEFAULT_METRICS), "what is measured where there are references", max_length=10
    )


class EvaluateRequest(Strict):
    """Find figures of models: on a `dataset`, on `tasks`, and on what they knew before."""

    kind: Literal["evaluate"] = "evaluate"
    name: Name = setting("evaluation", "what to call it")
    models: Contestants = setting(..., "whose figures", min_length=1, max_length=20)
    dataset: DatasetReference | None = setting(
        None, "whose last answers are the references, and whose answers are foretold"
    )
    limit: PositiveInt = setting(100, "of the dataset, the first so many", le=10_000)
    metrics: list[MetricName] = setting(
        list(DEFAULT_METRICS), "what is measured on answers to the dataset", max_length=10
    )
    tasks: list[Task] = setting([], "questions with known answers", max_length=20)
    forgetting: bool = setting(
        False, "compare general knowledge with that of the base models (F26)"
    )
    answers: AnswerSettings = setting(AnswerSettings(), "how all of them answer")


JobRequest: TypeAlias = Annotated[
    TrainRequest
    | ExtendRequest
    | ImportRequest
    | PullRequest
    | RegisterRequest
    | PreflightRequest
    | PreviewRequest
    | MixRequest
    | CompareRequest
    | EvaluateRequest,
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
