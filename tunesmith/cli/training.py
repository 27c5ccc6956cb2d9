"""Training in this process: preflight, live progress, and what came out."""

from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.cli import show
from tunesmith.cli.preflight import print_preflight
from tunesmith.cli.progress import job_progress, training_progress
from tunesmith.errors import Stopped
from tunesmith.service import engine, folds, run_views, runs
from tunesmith.store.home import Home
from tunesmith.training.job import TrainJob

if TYPE_CHECKING:
    from tunesmith.jobs.engine import TrainingPlan


def preflight(home: Home, job: TrainJob, *, as_json: bool = False) -> "TrainingPlan":
    """Plan `job` and say what that came to."""
    stages = engine.load()
    with job_progress("planning") as listener:
        plan = stages.plan_training(job, runs=home.runs, emit=listener)
        report = stages.check_plan(job, plan, emit=listener)
    if as_json:
        show.print_json(report)
    else:
        print_preflight(report)
    return plan


def take_up(folder: Path) -> Path:
    """A run that computes what is asked for: take it as it is, or bring it to its end."""
    view = run_views.view_run(folder)
    finished = view.status == "finished"
    begun = "reusing" if finished else "going on with"
    show.say(f"{begun} run {view.name} ({view.id}): same recipe, data and base model")
    if not finished:
        go_on(folder)
    return folder


def cross_validate(name: str, folders: list[Path]) -> None:
    """Say what the runs of all folds came to."""
    result = folds.cross_validate(folders)
    losses = [(run.name, f"{run.validation_loss:.4f}") for run in result.runs]
    summary = f"{result.mean:.4f} ± {result.deviation:.4f}"
    show.figures([*losses, ("mean ± sd", summary)], title=f"validation loss of {name} by fold")


def print_sweep(folders: list[Path]) -> None:
    """Say what the runs of all combinations came to."""
    views = [run_views.view_run(folder) for folder in folders]
    losses = [(view.name, view.loss, view.validation_loss) for view in views]
    rows = [
        (name, " · ".join(f"{loss:.4f}" for loss in found if loss is not None))
        for name, *found in losses
    ]
    show.figures(rows, title="loss · validation loss of each run")


def go_on(folder: Path, *, plan: "TrainingPlan | None" = None) -> None:
    """Run the job of `folder` with live progress, and say what came out and what to do next."""
    name = runs.read_job(folder).config.name
    try:
        with training_progress() as listener:
            runs.run(folder, listener=listener, plan=plan)
    except Stopped as stopped:
        stopped.hint = f"tunesmith runs resume {name}"
        raise
    view = run_views.view_run(folder)
    rows = [("result", str(view.result)), ("final loss", f"{view.loss:.4f}")]
    if view.validation_loss is not None:
        rows.append(("validation loss", f"{view.validation_loss:.4f}"))
    show.figures(rows, title=f"run {name} finished")
    show.say(f"next: tunesmith chat {name}  ·  tunesmith runs show {name}")
