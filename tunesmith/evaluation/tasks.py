"""Task files: questions with known answers, written by people. Torch-free."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from pydantic import model_validator

from tunesmith.errors import DatasetRejected
from tunesmith.evaluation.config import MetricName
from tunesmith.evaluation.questions import Prompt, read_prompts
from tunesmith.schema import (
    LongText,
    Name,
    Strict,
    check_name,
    parse_yaml,
    read_text,
    setting,
    validate,
)

GENERAL = "general"  # what the check of general knowledge is called


class Task(Strict):
    """Questions with references, and what is measured on the answers."""

    name: Name = setting(..., "what to call it, in reports and tables")
    metrics: list[MetricName] = setting(
        ["contains"], "what is measured", min_length=1, max_length=10
    )
    system_prompt: LongText | None = setting(
        None, "instead of the one a model was trained with; empty for none"
    )
    prompts: list[Prompt] = setting(
        ..., "questions, each with a reference", min_length=1, max_length=10_000
    )

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        for number, prompt in enumerate(self.prompts, 1):
            if prompt.reference is None:
                raise ValueError(f"prompt {number} of task {self.name} has no reference")
        return self


def check_sections(dataset: str | None, tasks: Sequence[Task], *, forgetting: bool) -> None:
    """Refuse an evaluation of nothing, and one in which a name would stand for two things.

    Raises:
        DatasetRejected: it is one of these.
    """
    names = [task.name for task in tasks]
    names += [dataset.partition("@")[0]] if dataset is not None else []
    names += [GENERAL] if forgetting else []
    if not names:
        raise DatasetRejected(
            "there is nothing to measure", hint="give a dataset or tasks, or check forgetting"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DatasetRejected(
            f"{twice[0]!r} stands for two things that are measured", hint="rename the task"
        )


def read_task(path: Path) -> Task:
    """A task of a YAML file, or of JSON lines as `compare` reads them, named after their file.

    Raises:
        NotFound: there is no such file.
        NameInvalid: the name of a .jsonl file is no name for a task.
        DatasetRejected: it holds no question.
        RecipeInvalid: naming the key that is wrong, or the question without a reference.
    """
    if path.suffix == ".jsonl":
        prompts = [prompt.model_dump() for prompt in read_prompts(path)]
        values = {"name": check_name(path.stem), "prompts": prompts}
        return validate(Task, values, source=str(path))
    return validate(Task, parse_yaml(read_text(path), source=str(path)), source=str(path))
