"""`tunesmith compare` and `evaluate`: the same questions to several models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.evaluation.config import DEFAULT_METRICS

if TYPE_CHECKING:
    from tunesmith.evaluation.config import MetricName
    from tunesmith.evaluation.figures import Results
    from tunesmith.evaluation.summary import Comparison
    from tunesmith.evaluation.transcript import Exchange
    from tunesmith.service.local_results import KeptComparison

Models = Annotated[
    list[str],
    typer.Argument(
        help="Runs, RUN@STEP, base models or folders, side by side; on a server also registered "
        "models and aliases, and no folders."
    ),
]
Prompts = Annotated[
    Path | None, typer.Option(help="One prompt a line, or JSON lines with messages or prompt.")
]
Dataset = Annotated[
    str | None, typer.Option(help="NAME or NAME@VERSION, whose last answers are the references.")
]
Metrics = Annotated[
    list[str],
    typer.Option("--metric", help="What is measured where there are references; several times."),
]
Limit = Annotated[int | None, typer.Option(help="Only the first prompts.", min=1)]
MaxTokens = Annotated[int, typer.Option(help="Longest answer, in tokens.", min=1)]
Temperature = Annotated[float, typer.Option(help="0 always takes the likeliest token.", min=0.0)]
Seed = Annotated[int, typer.Option(help="Origin of the random choice.", min=0)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def compare(
    models: Models,
    prompts: Prompts = None,
    dataset: Dataset = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006  (typer copies it)
    limit: Limit = None,
    system: Annotated[
        str | None,
        typer.Option(help="System prompt for all; by default the one each was trained with."),
    ] = None,
    template: Annotated[
        list[str],
        typer.Option(
            help="Ask with this prompt of the server's library, NAME or NAME@VERSION; on this "
            "machine a file with {{prompt}}. Several times: each model with each."
        ),
    ] = [],  # noqa: B006
    max_tokens: MaxTokens = 160,
    temperature: Temperature = 0.0,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Answer the same prompts with several models, side by side."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace
    from tunesmith.evaluation.config import AnswerSettings
    from tunesmith.service.local_comparisons import CompareWish

    wish = CompareWish(
        models=models,
        prompts=prompts,
        dataset=dataset,
        limit=limit,
        system_prompt=system,
        templates=template,
        answers=AnswerSettings(max_tokens=max_tokens, temperature=temperature, seed=seed),
        metrics=_checked(metric),
    )
    kept = open_workspace().compare(wish)
    if as_json:
        show.print_json(kept)
        return
    show_comparison(kept)
    show.say(f"kept as {kept.kept}; to read: {kept.report}")


def show_comparison(kept: "KeptComparison") -> None:
    """All answers side by side, and a row for each model."""
    for exchange in kept.exchanges:
        _show_exchange(kept.summary, exchange)
    _show_totals(kept.summary)


def _checked(metrics: "list[str]") -> "list[MetricName]":
    from typing import get_args

    from tunesmith.evaluation.config import MetricName
    from tunesmith.schema import choose

    known: dict[str, MetricName] = {name: name for name in get_args(MetricName)}
    return [choose(known, metric, what="metric") for metric in dict.fromkeys(metrics)]


def _show_exchange(summary: "Comparison", exchange: "Exchange") -> None:
    from tunesmith.cli import show

    show.say(f"\n▌ {exchange.messages[-1]['content']}")
    labels = [each.label for each in summary.contestants]
    width = max(map(len, labels))
    new_line = "\n" + " " * (width + 3) + "│ "
    for label, said in zip(labels, exchange.answers, strict=True):
        lines = said.text.replace("\n", new_line)
        show.say(f"  {label:<{width}} │ {lines}")


def _show_totals(summary: "Comparison") -> None:
    """A row for each model."""
    from tunesmith.cli import show

    names = list(summary.totals[0].scores)
    show.say("")
    show.table(
        ["model", *names, "tokens read", "tokens written", "cut"],
        [
            (
                total.label,
                *(f"{total.scores[name]:.1%}" for name in names),
                f"{total.num_prompt_tokens:,}",
                f"{total.num_tokens:,}",
                f"{total.num_cut} of {summary.num_prompts}",
            )
            for total in summary.totals
        ],
    )


def evaluate(
    models: Models,
    dataset: Dataset = None,
    metric: Metrics = list(DEFAULT_METRICS),  # noqa: B006  (typer copies it)
    tasks: Annotated[
        list[Path], typer.Option(help="A file of questions with answers; several times.")
    ] = [],  # noqa: B006
    harness: Annotated[
        list[Path], typer.Option(help="A folder of lm-evaluation-harness tasks; several times.")
    ] = [],  # noqa: B006
    forgetting: Annotated[
        bool, typer.Option(help="Compare general knowledge with that of the base models.")
    ] = False,
    limit: Annotated[int, typer.Option(help="Examples asked, from the first on.", min=1)] = 100,
    max_tokens: MaxTokens = 160,
    as_json: Json = False,
) -> None:
    """Measure models: on a dataset, on task files, on what they knew before training."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace
    from tunesmith.evaluation.config import AnswerSettings
    from tunesmith.service.local_comparisons import EvaluateWish

    wish = EvaluateWish(
        models=models,
        dataset=dataset,
        limit=limit,
        metrics=_checked(metric),
        tasks=tasks,
        harness=harness,
        forgetting=forgetting,
        answers=AnswerSettings(max_tokens=max_tokens),
    )
    kept = open_workspace().evaluate(wish)
    if as_json:
        show.print_json(kept.results)
        return
    show_results(kept.results)
    show.say(f"kept as {kept.kept}; to read: {kept.report}")


def show_results(results: "Results") -> None:
    """A column for each model, and a sentence on what each has forgotten."""
    from tunesmith.cli import show
    from tunesmith.evaluation.report import score_names, shown_score

    show.table(
        ["score", *(each.label for each in results.figures)],
        [
            (name, *(shown_score(name, each.scores.get(name)) for each in results.figures))
            for name in score_names(results)
        ],
    )
    for each in results.figures:
        if each.forgetting is not None:
            show.say(f"{each.label}: {each.forgetting.sentence}")
