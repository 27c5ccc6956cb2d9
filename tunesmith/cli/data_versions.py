"""`tunesmith data diff | split | mix | export`: versions made of versions, and out of the house."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Dataset = Annotated[str, typer.Argument(help="A dataset's name, or name@version.")]
Seed = Annotated[int, typer.Option(help="Origin of the random choice.", min=0)]


@app.command()
def diff(older: Dataset, newer: Dataset, as_json: Json = False) -> None:
    """Compare two versions by content: what was added, removed and kept."""
    from tunesmith.cli import show
    from tunesmith.cli.dataset_views import print_difference
    from tunesmith.cli.workspace import open_workspace

    view = open_workspace().diff(older, newer)
    if as_json:
        show.print_json(view)
        return
    print_difference(view)


@app.command()
def split(
    dataset: Dataset,
    names: Annotated[str, typer.Option(help="TRAIN,HELDOUT: what to call the two parts.")],
    percent: Annotated[int, typer.Option(help="Share to hold out.", min=1, max=50)] = 10,
    seed: Seed = 42,
    as_json: Json = False,
) -> None:
    """Divide a version at random into two new ones."""
    from tunesmith.cli import show
    from tunesmith.cli.dataset_views import print_dataset
    from tunesmith.cli.workspace import open_workspace
    from tunesmith.errors import NameInvalid

    train, separator, held_out = names.partition(",")
    if not separator or train == held_out:
        raise NameInvalid(f"--names {names}: two different names are needed", hint="TRAIN,HELDOUT")
    views = open_workspace().split(dataset, percent=percent, seed=seed, names=(train, held_out))
    if as_json:
        show.print_json(views)
        return
    for view in views:
        print_dataset(view)


@app.command()
def mix(
    task: Dataset,
    general: Annotated[str, typer.Argument(help="The dataset to mix in.")],
    ratio: Annotated[
        str, typer.Option(help="Its share of all tokens, such as 0.2, or auto.")
    ] = "auto",
    model: Annotated[str, typer.Option(help="The base model whose tokens count.")] = "smollm2-135m",
    recipe: Annotated[
        Path | None, typer.Option(help="Take model and data settings from this recipe.")
    ] = None,
    seed: Seed = 42,
    name: Annotated[
        str | None, typer.Option(help="Keep the mix as a new dataset of this name.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show what mixing general data in comes to, or keep the mix as a dataset.

    To mix in training alone, set data.mix in the recipe.
    """
    from tunesmith.cli import show
    from tunesmith.cli.dataset_views import print_mix
    from tunesmith.cli.workspace import open_workspace
    from tunesmith.service import runs

    if recipe:
        mixing = {"data.mix.dataset": general, "data.mix.ratio": ratio, "seed": seed}
        config = runs.load_recipe(recipe, [f"{key}={value}" for key, value in mixing.items()])
    else:
        data = {"train": task, "mix": {"dataset": general, "ratio": ratio}}
        config = runs.recipe_of({"name": "mix", "model": model, "data": data, "seed": seed})
    view = open_workspace().mix(task, config=config, name=name)
    if as_json:
        show.print_json(view)
        return
    print_mix(view)


@app.command()
def export(
    dataset: Dataset,
    file: Annotated[Path, typer.Argument(help="The JSONL file to write.")],
    format: Annotated[
        str,
        typer.Option(help="messages, sharegpt, alpaca, preference, classification or text."),
    ] = "messages",
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
    as_json: Json = False,
) -> None:
    """Write a version as JSON Lines for other tools."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    num_examples = open_workspace().export(dataset, file, format=format, overwrite=overwrite)
    if as_json:
        show.print_json({"file": str(file), "format": format, "num_examples": num_examples})
        return
    show.say(f"{num_examples:,} examples of {dataset} as {format}: {file}")
