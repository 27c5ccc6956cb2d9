"""Comparisons and evaluations as pages: one file each, no scripts, nothing fetched. Torch-free."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tunesmith.evaluation.figures import Results
from tunesmith.evaluation.summary import Comparison
from tunesmith.evaluation.transcript import Exchange

REPORT = "report.html"

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def comparison_page(comparison: Comparison, exchanges: Sequence[Exchange]) -> str:
    """The page of a comparison: totals, then every question with all answers side by side."""
    page = _pages.get_template("comparison.html")
    return page.render(comparison=comparison, exchanges=exchanges)


def evaluation_page(results: Results) -> str:
    """The page of an evaluation: a table of models and scores, and what was forgotten."""
    page = _pages.get_template("evaluation.html")
    return page.render(results=results, names=score_names(results), show=shown_score)


def score_names(results: Results) -> list[str]:
    """Everything that was measured of any model, in order."""
    return list(dict.fromkeys(name for each in results.figures for name in each.scores))


def shown_score(name: str, value: float | None) -> str:
    """A score as people read it: perplexities as they are, everything else in per cent."""
    if value is None:
        return "-"
    return f"{value:.2f}" if name.endswith("perplexity") else f"{value:.1%}"
