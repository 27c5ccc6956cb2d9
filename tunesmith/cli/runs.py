"""`tunesmith runs`: what was trained, and going on with it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.service.run_views import RunDetails

app = typer.Typer(
    help="Runs: list, show, resume, extend; on a server also pause, cancel, follow.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Run = Annotated[str, typer.Argument(help="A run's name, name@id or id.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all runs, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    views = open_workspace().list_runs()
    if as_json:
        show.print_json(views)
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
        nothing="no runs yet; start one: tunesmith train recipe.yaml",
    )


@app.command()
def show(run: Run, as_json: Json = False) -> None:
    """Show one run: status, loss curve, checkpoints, recipe, lineage."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    details = open_workspace().show_run(run)
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
        ("base", _with_digest(view.base, details.lineage.get("base"))),
        ("data", ", ".join(details.lineage["train"])),
        ("checkpoints", ", ".join(_checkpoints(details)) or "none"),
        ("result", view.result or "not yet"),
    ]
    if view.folder:
        rows.append(("recipe", _with_digest(f"{view.folder}/job.json", details.lineage["config"])))
    show.figures(rows, title=f"run {view.name}")
    if len(details.losses) > 1:
        show.say("\nloss by step")
        for line in show.curve(details.losses):
            show.say(line)
    if details.samples:
        show.say("\nanswers by step")
        for prompt in dict.fromkeys(sample.prompt for sample in details.samples):
            show.say(f"  {show.one_line(prompt)}")
            for sample in details.samples:
                if sample.prompt == prompt:
                    show.say(f"  {sample.step:8} {show.one_line(sample.answer)}")
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
    from tunesmith.cli.workspace import open_workspace

    open_workspace().resume_run(run, recipe, overrides or [])


@app.command()
def extend(
    run: Run,
    epochs: Annotated[int, typer.Option(help="Epochs to add.", min=1)],
    name: Annotated[
        str | None, typer.Option(help="Name of the new run; the old name by default.")
    ] = None,
) -> None:
    """Train a finished run for more epochs: weights, optimizer and data order continue."""
    from tunesmith.cli.workspace import open_workspace

    open_workspace().extend_run(run, epochs=epochs, name=name)


@app.command()
def rename(run: Run, name: Annotated[str, typer.Argument(help="The new name.")]) -> None:
    """Call a run otherwise; its recipe, its results and its model stay as they are."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    open_workspace().rename_run(run, name)
    show.say(f"run {run} is called {name}")


@app.command()
def pin(
    run: Run,
    step: Annotated[int, typer.Argument(help="The checkpoint's step.", min=0)],
    off: Annotated[bool, typer.Option("--off", help="Let go of it again.")] = False,
) -> None:
    """Keep a checkpoint, whatever the recipe's checkpoint.keep says; the run may be at work."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    open_workspace().pin_checkpoint(run, step, pinned=not off)
    show.say(f"checkpoint {step} of run {run} {'is no longer pinned' if off else 'is pinned'}")


@app.command()
def pause(run: Run) -> None:
    """Let a run on a server save a checkpoint and free its machine."""
    _steer(run, "pause", "pauses")


@app.command()
def cancel(run: Run) -> None:
    """End a run on a server; its checkpoints stay."""
    _steer(run, "cancel", "is being cancelled")


def _steer(run: str, deed: str, becomes: str) -> None:
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    workspace = connect()
    job = workspace.steer(workspace.find_run(run).id, deed)
    show.say(f"run {job.name} ({job.id}) {becomes if job.wish else f'is {job.status}'}")


@app.command()
def follow(run: Run) -> None:
    """Show the progress of a run on a server until it ends; Ctrl-C stops watching, not the run."""
    from tunesmith.cli.remote.connecting import connect

    connect().follow_run(run)


@app.command()
def logs(
    run: Run,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
) -> None:
    """Print what the process of a run on a server printed."""
    from tunesmith.cli.remote.connecting import connect

    connect().print_log(run, follow=follow)


def _checkpoints(details: "RunDetails") -> list[str]:
    pinned = set(details.pinned)
    return [f"{step} (pinned)" if step in pinned else str(step) for step in details.checkpoints]


def _with_digest(what: str, digest: str | None) -> str:
    return f"{what} ({digest[:12]})" if digest else what


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
