"""`tunesmith runs`: what was trained, and going on with it."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.service.runs import RunDetails

app = typer.Typer(help="Runs: list, show, resume, extend.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Run = Annotated[str, typer.Argument(help="A run's name, name@id or id.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all runs, newest first."""
    from tunesmith.cli import show
    from tunesmith.service import runs
    from tunesmith.store.home import open_home

    views = runs.list_runs(open_home())
    if as_json:
        show.print_json(views)
        return
    if not views:
        show.say("no runs yet; start one: tunesmith train recipe.yaml")
        return
    show.table(
        ["name", "id", "status", "step", "loss", "validation", "method", "base", "created"],
        [
            (
                view.name,
                view.id,
                view.status,
                f"{view.step}/{view.total_steps}",
                _number(view.loss),
                _number(view.validation_loss),
                view.method,
                view.base,
                view.created,
            )
            for view in views
        ],
    )


@app.command()
def show(run: Run, as_json: Json = False) -> None:
    """Show one run: status, loss curve, checkpoints, recipe, lineage."""
    from tunesmith.cli import show
    from tunesmith.service import runs
    from tunesmith.store.home import open_home

    folder = runs.find_run(open_home(), run)
    details = runs.show_run(folder)
    if as_json:
        show.print_json(details)
        return
    _print_details(details)


def _print_details(details: "RunDetails") -> None:
    from tunesmith.cli import show

    view = details.view
    rows = [
        ("id", view.id),
        ("status", f"{view.status} {view.message}".strip()),
        ("step", f"{view.step} of {view.total_steps}"),
        ("loss", _number(view.loss)),
        (
            "validation",
            ", ".join(f"{v['loss']:.4f} (step {v['step']})" for v in details.validations) or "-",
        ),
        ("tokens/s", f"{details.tokens_per_second:,.0f}"),
        ("base", f"{view.base} ({details.lineage['base'][:12]})"),
        ("data", ", ".join(details.lineage["train"])),
        ("recipe", f"digest {details.lineage['config'][:12]}, {view.folder}/job.json"),
        ("checkpoints", ", ".join(str(step) for step in details.checkpoints) or "none"),
        ("result", view.result or "not yet"),
    ]
    show.figures(rows, title=f"run {view.name}")
    if len(details.losses) > 1:
        show.say("\nloss by step")
        for line in show.curve(details.losses):
            show.say(line)
    if view.status in ("interrupted", "paused", "failed"):
        show.say(f"\nnext: tunesmith runs resume {view.name}")


@app.command()
def resume(
    run: Run,
    recipe: Annotated[
        Path | None,
        typer.Option(help="A recipe that must equal the run's own; differences are refused."),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="As for train; any change is refused.")
    ] = None,
) -> None:
    """Go on with an interrupted run, to the same bits as if it had never stopped."""
    from tunesmith.cli.train import go_on
    from tunesmith.service import runs
    from tunesmith.store.home import open_home

    folder = runs.find_run(open_home(), run)
    runs.check_resumable(folder, runs.wanted_recipe(folder, recipe, overrides or []))
    go_on(folder)


@app.command()
def extend(
    run: Run,
    epochs: Annotated[int, typer.Option(help="Epochs to add.", min=1)],
    name: Annotated[
        str | None, typer.Option(help="Name of the new run; the old name by default.")
    ] = None,
) -> None:
    """Train a finished run for more epochs: weights, optimizer and data order continue."""
    from tunesmith.cli import show
    from tunesmith.cli.train import go_on, preflight
    from tunesmith.service import runs
    from tunesmith.store.home import open_home

    home = open_home()
    job = runs.extend_run(runs.find_run(home, run), epochs=epochs, name=name, now=datetime.now())
    plan = preflight(home, job)
    show.say(f"continuing after step {job.origin.step if job.origin else 0}")
    go_on(runs.create_run(home, job), plan=plan)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
