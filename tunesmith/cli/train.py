"""`tunesmith train`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.jobs.engine import TrainingPlan
    from tunesmith.service.folds import CrossValidation
    from tunesmith.store.home import Home
    from tunesmith.training.job import TrainJob


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one setting: --set training.epochs=2. May be repeated."),
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
    same bits.
    """
    from tunesmith.cli import show
    from tunesmith.service import folds as folding
    from tunesmith.service import runs
    from tunesmith.store.home import open_home

    home = open_home()
    allowed = [] if allow is None else [f"data.max_damaged_percent={allow}"]
    config = runs.load_recipe(recipe, [*(overrides or []), *allowed])
    folders: list[Path] = []
    for each in folding.fold_recipes(config, folds) if folds else [config]:
        job = runs.prepare_job(home, each, now=datetime.now(), start_from=start_from, say=show.note)
        equal = runs.find_equal_run(home, job) if reuse else None
        if equal is not None:
            folders.append(_take_up(equal))
        elif plan_only:
            preflight(home, job, as_json=as_json)
        else:
            plan = preflight(home, job)
            folders.append(runs.create_run(home, job))
            go_on(folders[-1], plan=plan)
    if folds and folders:
        _print_folds(config.name, folding.cross_validate(folders))


def preflight(home: "Home", job: "TrainJob", *, as_json: bool = False) -> "TrainingPlan":
    """Plan `job` and say what that came to."""
    from tunesmith.cli import show
    from tunesmith.cli.preflight import print_preflight
    from tunesmith.cli.progress import job_progress
    from tunesmith.service import engine

    stages = engine.load()
    with job_progress("planning") as listener:
        plan = stages.plan_training(job, runs=home.runs, emit=listener)
        report = stages.check_plan(job, plan, emit=listener)
    if as_json:
        show.print_json(report)
    else:
        print_preflight(report)
    return plan


def _take_up(folder: Path) -> Path:
    """A run that computes what is asked for: take it as it is, or bring it to its end."""
    from tunesmith.cli import show
    from tunesmith.service import runs

    view = runs.view_run(folder)
    finished = view.status == "finished"
    begun = "reusing" if finished else "going on with"
    show.say(f"{begun} run {view.name} ({view.id}): same recipe, data and base model")
    if not finished:
        go_on(folder)
    return folder


def _print_folds(name: str, result: "CrossValidation") -> None:
    from tunesmith.cli import show

    losses = [(run.name, f"{run.validation_loss:.4f}") for run in result.runs]
    summary = f"{result.mean:.4f} ± {result.deviation:.4f}"
    show.figures([*losses, ("mean ± sd", summary)], title=f"validation loss of {name} by fold")


def go_on(folder: Path, *, plan: "TrainingPlan | None" = None) -> None:
    """Run the job of `folder` with live progress, and say what came out and what to do next."""
    from tunesmith.cli import show
    from tunesmith.cli.progress import training_progress
    from tunesmith.errors import Stopped
    from tunesmith.service import runs

    name = runs.read_job(folder).config.name
    try:
        with training_progress() as listener:
            runs.run(folder, listener=listener, plan=plan)
    except Stopped as stopped:
        stopped.hint = f"tunesmith runs resume {name}"
        raise
    view = runs.view_run(folder)
    rows = [("result", str(view.result)), ("final loss", f"{view.loss:.4f}")]
    if view.validation_loss is not None:
        rows.append(("validation loss", f"{view.validation_loss:.4f}"))
    show.figures(rows, title=f"run {name} finished")
    show.say(f"next: tunesmith chat {name}  ·  tunesmith runs show {name}")
