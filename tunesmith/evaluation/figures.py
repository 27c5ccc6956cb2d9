"""What an evaluation found: `evaluation.json`. Torch-free."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunesmith.errors import NotFound
from tunesmith.evaluation.config import AnswerSettings
from tunesmith.evaluation.forgetting import Forgetting, Knowledge

FIGURES = "evaluation.json"


@dataclass(frozen=True)
class Figures:
    """A model's row: `scores` by what was measured, such as `support/exact`, `support/perplexity`.

    `forgetting` is None where it was not asked for, and for base models.
    """

    label: str
    model: str
    scores: Mapping[str, float]
    forgetting: Forgetting | None


@dataclass(frozen=True)
class SectionNote:
    """What was asked under a name, and who answered in which order."""

    name: str
    labels: Sequence[str]
    num_prompts: int


@dataclass(frozen=True)
class Results:
    """Everything that an evaluation found."""

    dataset: str | None
    answers: AnswerSettings
    sections: Sequence[SectionNote]
    figures: Sequence[Figures]


def read_results(folder: Path) -> Results:
    """The results of an evaluation's folder.

    Raises:
        NotFound: its files are gone.
    """
    try:
        values = json.loads((folder / FIGURES).read_text("utf-8"))
    except FileNotFoundError as error:
        raise NotFound("the files of this evaluation are gone") from error
    return Results(
        dataset=values["dataset"],
        answers=AnswerSettings(**values["answers"]),
        sections=[SectionNote(**each) for each in values["sections"]],
        figures=[
            Figures(**{**each, "forgetting": _forgetting(each["forgetting"])})
            for each in values["figures"]
        ],
    )


def _forgetting(values: dict[str, Any] | None) -> Forgetting | None:
    if values is None:
        return None
    known = {when: Knowledge(**values[when]) for when in ("before", "after")}
    return Forgetting(**{**values, **known})
