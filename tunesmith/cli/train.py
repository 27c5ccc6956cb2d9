"""`tunesmith train`."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one setting: --set training.epochs=2. May be repeated."),
    ] = None,
    tries: Annotated[
        list[str] | None,
        typer.Option(
            "--try",
            help="Try several values: --try training.learning_rate='1e-4 | 3e-4'. Each combination "
            "of all that is tried is a run, NAME-1, NAME-2, ..., eight at most.",
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Settings by goal or task, such as nl2json; a recipe's own hold."),
    ] = None,
    need: Annotated[
        list[str] | None,
        typer.Option(
            help="Save as it is needed: plenty-of-disk, stops-often, look-back; or none of these. "
            "May be repeated; a recipe's own checkpoint settings hold."
        ),
    ] = None,
    start_from: Annotated[
        str | None, typer.Option("--from", help="Begin with the weights of RUN or RUN@STEP.")
    ] = None,
    reuse: Annotated[
        bool,
        typer.Option(
            help="Take a run of the same recipe, data and model if there is one; resume it if cut."
        ),
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Print the preflight and stop.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the preflight as JSON; needs --plan.")
    ] = False,
    allow: Annotated[
        float | None,
        typer.Option(
            help="Percent of a dataset's rows that may be damaged; data.max_damaged_percent.",
            min=0,
            max=100,
        ),
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(help="A channel of the server that hears of the run. May be repeated."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(
            help="Cross-validate: so many runs NAME-fold1, ..., each measured on another part.",
            min=2,
            max=50,
        ),
    ] = None,
) -> None:
    """Fine-tune a model as a recipe says: preflight first, then live progress.

    Ctrl-C stops after the current step with a checkpoint; `tunesmith runs resume` goes on to the
    same bits. On a server (--server) the run goes on without you; `tunesmith runs follow` shows it.
    """
    from tunesmith.cli.workspace import TrainWish, open_workspace
    from tunesmith.service import runs
    from tunesmith.service.grids import read_grid

    allowed = [] if allow is None else [f"data.max_damaged_percent={allow}"]
    settings = [*(overrides or []), *allowed]
    config = runs.load_recipe(recipe, settings, preset=preset, needs=need or [])
    grid = read_grid(tries or [])
    wish = TrainWish(start_from, reuse, plan_only, as_json, folds, notify or [], grid)
    open_workspace().train(config, wish)
