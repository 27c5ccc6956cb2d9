"""Comparisons and evaluations as a job would leave them, without a model."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tunesmith.artifacts import Manifest
from tunesmith.evaluation.comparison import write_comparison
from tunesmith.evaluation.config import AnswerSettings
from tunesmith.evaluation.evaluation import write_evaluation
from tunesmith.evaluation.figures import Figures, Results, SectionNote
from tunesmith.evaluation.summary import Comparison, Entrant
from tunesmith.evaluation.transcript import Exchange, Said, points_of, totals_of

SETTINGS = AnswerSettings()


def exchange(number: int, texts: Sequence[str], *, reference: str | None = None) -> Exchange:
    said = [
        Said(
            text=text,
            num_prompt_tokens=10,
            num_tokens=len(text),
            is_cut=False,
            points=points_of(text, reference, ["exact"]),
        )
        for text in texts
    ]
    return Exchange(number, [{"role": "user", "content": f"question {number}"}], reference, said)


def commit_comparison(
    folder: Path, labels: Sequence[str], exchanges: Sequence[Exchange]
) -> Manifest:
    comparison = Comparison(
        contestants=[Entrant(label, label, None, "") for label in labels],
        dataset=None,
        num_prompts=len(exchanges),
        answers=SETTINGS,
        totals=totals_of(labels, exchanges, ["exact"]),
    )
    return write_comparison(folder, comparison, exchanges, lineage={})


def commit_evaluation(
    folder: Path, scores: Mapping[str, Mapping[str, float]], exchanges: Sequence[Exchange]
) -> Manifest:
    """An evaluation with one section, `facts`, in which every model was asked `exchanges`."""
    results = Results(
        dataset=None,
        answers=SETTINGS,
        sections=[SectionNote("facts", list(scores), len(exchanges))],
        figures=[Figures(label, label, found, None) for label, found in scores.items()],
    )
    return write_evaluation(folder, results, {"facts": exchanges}, lineage={})
