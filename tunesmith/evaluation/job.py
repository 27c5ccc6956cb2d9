"""What can be asked for of models that are compared or evaluated, as jobs. Torch-free."""

from typing import Literal

from pydantic import Field

from tunesmith.evaluation.config import AnswerSettings, MetricName
from tunesmith.evaluation.questions import Prompt
from tunesmith.evaluation.tasks import Task
from tunesmith.schema import Strict
from tunesmith.training.job import PinnedDataset


class Contestant(Strict):
    """A model as it takes part: with a system prompt and a template for what it is asked.

    Attributes:
        label: what to call it; no two are equal.
        model: the reference that people gave.
        folder: of a base model, an adapter or trained weights.
        system_prompt: instead of the one it was trained with; None leaves that.
        template: of the last message; empty leaves it as it is.
    """

    label: str
    model: str
    folder: str
    system_prompt: str | None = None
    template: str = ""


class CompareJob(Strict):
    """Ask several models the same, side by side.

    Attributes:
        contestants: who is asked.
        prompts: what, if it is given by hand.
        dataset: or whose conversations are asked, up to their last answer.
        limit: of these, the first so many.
        answers: how all of them answer.
        metrics: names of what is measured where there are references.
    """

    kind: Literal["compare"] = "compare"
    contestants: list[Contestant] = Field(min_length=1)
    prompts: list[Prompt] = Field(default_factory=list[Prompt])
    dataset: PinnedDataset | None = None
    limit: int | None = None
    answers: AnswerSettings
    metrics: list[MetricName]


class EvaluateJob(Strict):
    """Find figures of models: on a dataset, on tasks, and on what they knew before.

    Attributes:
        contestants: whose figures.
        dataset: whose last answers are the references, and whose answers are foretold.
        limit: of its examples, the first so many.
        metrics: what is measured on answers to the dataset.
        tasks: questions with known answers.
        harness: folders with tasks of lm-evaluation-harness, on this machine.
        forgetting: whether general knowledge is compared with that of the base models.
        answers: how all of them answer.
    """

    kind: Literal["evaluate"] = "evaluate"
    contestants: list[Contestant] = Field(min_length=1)
    dataset: PinnedDataset | None = None
    limit: int | None = None
    metrics: list[MetricName]
    tasks: list[Task] = Field(default_factory=list[Task])
    harness: list[str] = Field(default_factory=list[str])
    forgetting: bool = False
    answers: AnswerSettings
