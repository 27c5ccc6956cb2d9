"""What is known of a comparison as a whole: `comparison.json`. Torch-free."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tunesmith.errors import NotFound
from tunesmith.evaluation.config import AnswerSettings
from tunesmith.evaluation.job import Contestant
from tunesmith.evaluation.transcript import Total

SUMMARY = "comparison.json"


@dataclass(frozen=True)
class Entrant:
    """A contestant as people see it, without the place where it lies."""

    label: str
    model: str
    system_prompt: str | None
    template: str

    @classmethod
    def of(cls, contestant: Contestant) -> Self:
        """What is shown of `contestant`."""
        return cls(
            contestant.label, contestant.model, contestant.system_prompt, contestant.template
        )


@dataclass(frozen=True)
class Comparison:
    """Who was asked how much, and what came out. `dataset` is None where prompts were given."""

    contestants: Sequence[Entrant]
    dataset: str | None
    num_prompts: int
    answers: AnswerSettings
    totals: Sequence[Total]


def read_summary(folder: Path) -> Comparison:
    """The comparison of a folder.

    Raises:
        NotFound: its files are gone.
    """
    try:
        values = json.loads((folder / SUMMARY).read_text("utf-8"))
    except FileNotFoundError as error:
        raise NotFound("the files of this comparison are gone") from error
    return Comparison(
        contestants=[Entrant(**each) for each in values["contestants"]],
        dataset=values["dataset"],
        num_prompts=values["num_prompts"],
        answers=AnswerSettings(**values["answers"]),
        totals=[Total(**each) for each in values["totals"]],
    )
