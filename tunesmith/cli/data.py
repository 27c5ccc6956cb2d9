"""`tunesmith data`: datasets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.service.datasets import DatasetView, ExampleView

app = typer.Typer(help="Datasets: import, list, preview.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("import")
def import_(
    path: Annotated[Path, typer.Argument(help="A JSON, JSONL, CSV or text file.")],
    name: Annotated[str, typer.Option(help="What to call the dataset.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="alpaca, messages, sharegpt, prompt-completion or text; recognised if not given."
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="FIELD=COLUMN, where the file's columns have other names. Repeat it."
        ),
    ] = None,
    allow_rejected: Annotated[
        float,
        typer.Option(help="Percent of rows that may be left out as no examples.", min=0, max=100),
    ] = 0.0,
    as_json: Json = False,
) -> None:
    """Check a file row by row and keep it as an immutable dataset version."""
    from tunesmith.cli import show
    from tunesmith.cli.progress import counted_progress
    from tunesmith.service import datasets
    from tunesmith.store.home import open_home

    with counted_progress("importing") as advance:
        view = datasets.add_dataset(
            open_home(),
            path,
            name=name,
            format=format,
            mapping=_parse_mapping(mapping or []),
            max_rejected_percent=allow_rejected,
            on_progress=lambda num_rows: advance(num_rows, None),
        )
    if as_json:
        show.print_json(view)
        return
    _print_view(view)


def _parse_mapping(pairs: list[str]) -> dict[str, str]:
    from tunesmith.errors import RecipeInvalid

    mapping: dict[str, str] = {}
    for pair in pairs:
        field, separator, column = pair.partition("=")
        if not (separator and field.strip() and column.strip()):
            raise RecipeInvalid(
                f"--map {pair}: expected FIELD=COLUMN", hint="for example prompt=question"
            )
        mapping[field.strip()] = column.strip()
    return mapping


def _print_view(view: "DatasetView") -> None:
    from tunesmith.cli import show

    stats = view.stats
    state = "already here, reused" if view.existed else "imported"
    show.figures(
        [
            ("version", f"{view.version} ({state})"),
            ("format", f"{stats.format}: {stats.evidence}"),
            ("examples", f"{stats.num_examples:,} of {stats.num_rows:,} rows"),
            (
                "rejected",
                f"{stats.num_rejected:,} (rejected.jsonl names each row, field and reason)"
                if stats.num_rejected
                else "none",
            ),
            ("duplicates", f"{stats.num_duplicates:,}"),
            ("folder", view.folder),
        ],
        title=f"dataset {view.name}",
    )


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all dataset versions, newest first."""
    from tunesmith.cli import show
    from tunesmith.service import datasets
    from tunesmith.store.home import open_home

    views = datasets.list_datasets(open_home())
    if as_json:
        show.print_json(views)
        return
    if not views:
        show.say("no datasets yet; import one: tunesmith data import FILE --name NAME")
        return
    show.table(
        ["name", "version", "examples", "rejected", "format", "source", "imported"],
        [
            (
                v.name,
                v.version,
                f"{v.stats.num_examples:,}",
                v.stats.num_rejected,
                v.stats.format,
                v.source,
                v.imported,
            )
            for v in views
        ],
    )


@app.command()
def preview(
    dataset: Annotated[str, typer.Argument(help="A dataset's name, or name@version.")],
    model: Annotated[
        str, typer.Option(help="The base model whose tokens and template count.")
    ] = "smollm2-135m",
    recipe: Annotated[
        Path | None,
        typer.Option(help="Take model, system prompt and maximum length from this recipe."),
    ] = None,
    row: Annotated[int, typer.Option(help="First source row to show.", min=1)] = 1,
    limit: Annotated[int, typer.Option(help="How many examples to show.", min=1)] = 3,
    as_json: Json = False,
) -> None:
    """Show, token by token, what is trained and what is masked."""
    from tunesmith.cli import show
    from tunesmith.service import datasets, runs
    from tunesmith.store.home import open_home

    config = (
        runs.load_recipe(recipe, [])
        if recipe
        else runs.recipe_of({"name": "preview", "model": model, "data": {"train": dataset}})
    )
    views = list(datasets.preview(open_home(), dataset, config, first=row, limit=limit))
    if as_json:
        show.print_json(views)
        return
    show.console.print(
        "[black on green]trained[/]  [dim]masked[/]  [red strike]cut off[/]  one token | the next"
    )
    for view in views:
        _print_tokens(view)


def _print_tokens(view: "ExampleView") -> None:
    from rich.text import Text

    from tunesmith.cli import show

    num_trained = sum(token.trained for token in view.tokens)
    show.console.print(
        f"\n[bold]row {view.row}[/]: {len(view.tokens)} tokens, {num_trained} trained"
    )
    line = Text()
    for position, token in enumerate(view.tokens):
        even = position % 2 == 0
        style = "red strike" if token.cut else "dim" if not token.trained else "black on green"
        if token.trained and not even:
            style = "black on bright_green"
        shown = (
            token.text.replace("\n", "⏎\n") if not token.trained else token.text.replace("\n", "⏎")
        )
        line.append(shown, style=style)
    show.console.print(line)
    if not show.console.is_terminal:  # colours are lost: say it in words as well
        trained = "".join(token.text for token in view.tokens if token.trained)
        show.say(f"trained: {trained!r}")
