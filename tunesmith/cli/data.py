"""`tunesmith data`: datasets."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from tunesmith.cli import data_versions
from tunesmith.cli.data_versions import Dataset, Json

app = typer.Typer(help="Datasets: import, check, compare, split, mix.", no_args_is_help=True)
app.add_typer(data_versions.app)


@app.command("import")
def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="A file or a folder of files, or an address of them: hf://datasets/..., s3://..., "
            "or of a file: https://..."
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call the dataset.")],
    format: Annotated[
        str | None,
        typer.Option(help="The shape of the rows (see docs/data.md); recognised if not given."),
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
    deduplicate: Annotated[
        Literal["exact", "near"] | None,
        typer.Option(help="Leave out what repeats an earlier row, word for word or nearly."),
    ] = None,
    entry: Annotated[
        str | None, typer.Option(help="The dataset to take from a dataset_info.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a source row by row and keep it as an immutable dataset version."""
    from tunesmith.cli import show
    from tunesmith.cli.dataset_views import print_dataset
    from tunesmith.cli.workspace import ImportWish, open_workspace

    wish = ImportWish(
        source=source,
        name=name,
        entry=entry,
        format=format,
        mapping=_parse_mapping(mapping or []),
        max_rejected_percent=allow_rejected,
        deduplicate=deduplicate,
    )
    view = open_workspace().import_dataset(wish)
    if as_json:
        show.print_json(view)
        return
    print_dataset(view)
    show.say(f"next: tunesmith data show {name}  ·  tunesmith data preview {name}")


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


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all dataset versions, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    views = open_workspace().list_datasets()
    if as_json:
        show.print_json(views)
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
        nothing="no datasets yet; import one: tunesmith data import FILE --name NAME",
    )


@app.command()
def show(dataset: Dataset, as_json: Json = False) -> None:
    """Report on a dataset version: counts, what is suspicious in it, where it came from."""
    from tunesmith.cli import show
    from tunesmith.cli.dataset_views import print_report
    from tunesmith.cli.workspace import open_workspace

    report = open_workspace().report_on(dataset)
    if as_json:
        show.print_json(report)
        return
    print_report(report)


@app.command()
def delete(dataset: Dataset, as_json: Json = False) -> None:
    """Delete a dataset, or one version of it, unless a run was made with it."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    deleted = open_workspace().delete_dataset(dataset)
    if as_json:
        show.print_json(deleted)
        return
    for version in deleted.versions:
        files = "and its files" if version in deleted.removed else "another name keeps its files"
        show.say(f"deleted {dataset}: version {version}, {files}")


@app.command()
def preview(
    dataset: Dataset,
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
    from tunesmith.cli.dataset_views import print_tokens
    from tunesmith.cli.workspace import open_workspace
    from tunesmith.service import runs

    config = (
        runs.load_recipe(recipe, [])
        if recipe
        else runs.recipe_of({"name": "preview", "model": model, "data": {"train": dataset}})
    )
    views = open_workspace().preview(dataset, config, first=row, limit=limit)
    if as_json:
        show.print_json(views)
        return
    show.console.print(
        "[black on green]trained[/]  [dim]masked[/]  [red strike]cut off[/]  one token | the next"
    )
    for view in views:
        print_tokens(view)
