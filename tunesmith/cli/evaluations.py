"""`tunesmith evaluations`: what was measured before."""

from typing import Annotated

import typer

from tunesmith.cli.results import Result, add_commands

app = typer.Typer(help="Past evaluations: list, show, export, delete.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all evaluations with the scores of their models, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace
    from tunesmith.evaluation.report import shown_score

    found = open_workspace().list_evaluations()
    if as_json:
        show.print_json(found)
        return
    show.table(
        ["id", "when", "status", "model", "scores"],
        [
            (
                each.id,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                each.status,
                model,
                ", ".join(f"{name} {shown_score(name, score)}" for name, score in scores.items()),
            )
            for each in found
            for model, scores in (each.scores or {"": {}}).items()
        ],
        nothing="no evaluations yet; make one: tunesmith evaluate MODEL --dataset NAME",
    )


@app.command()
def show(evaluation: Result, as_json: Json = False) -> None:
    """Show what was measured of each model, and what it has forgotten."""
    from tunesmith.cli import show
    from tunesmith.cli.compare import show_results
    from tunesmith.cli.workspace import open_workspace

    kept = open_workspace().read_evaluation(evaluation)
    if as_json:
        show.print_json(kept.results)
        return
    show_results(kept.results)
    show.say(f"to read: {kept.report}")


add_commands(app, "evaluations", delete_help="Delete an evaluation.")
