"""`tunesmith train`."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.jobs.engine import TrainingPlan
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
            help="Take a run of the same recipe, data and model if there is one; resume it if need be."
        ),
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Print the preflight and stop.")
    ] = False,
) -> None:
    """Fine-tune a model as a recipe says: preflight first, then live progress.

    Ctrl-C stops after the current step with a checkpoint; `tunesmith runs resume` goes on to the same bits.
    """
    from tunesmith.cli import show
    from tunesmith.service import engine, runs
    from tunesmith.store.home import open_home

    home = open_home()
    config = runs.load_recipe(recipe, overrides or [])
    job = runs.prepare_job(home, config, now=datetime.now(), start_from=start_from, say=show.note)
    equal = runs.find_equal_run(home, job) if reuse else None
    if equal is not None and runs.view_run(equal).status == "finished":
        show.say(f"reusing run {config.name} ({equal.name}): same recipe, data and base model")
        return
    if equal is not None:
        show.say(
            f"going on with run {config.name} ({equal.name}): same recipe, data and base model"
        )
        go_on(equal)
        return
    plan = engine.load().plan_training(job, runs=home.runs, emit=lambda event: None)
    print_plan(job, plan)
    if not plan_only:
        go_on(runs.create_run(home, job), plan=plan)


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


def print_plan(job: "TrainJob", plan: "TrainingPlan") -> None:
    """The preflight: what will be trained on what, and what it takes."""
    from tunesmith.cli import show

    config, parameters = job.config, plan.parameters
    training = config.training
    reports = [store.report for store in plan.stores]
    num_tokens = sum(report.num_tokens for report in reports)
    num_trained = sum(report.num_trained_tokens for report in reports)
    share = parameters.num_trainable / parameters.total
    effective = training.batch_size * training.gradient_accumulation
    rows = [
        ("model", f"{job.base.reference} ({job.base.digest[:12]}), {plan.dtype}"),
        ("data", ", ".join(f"{d.reference}@{d.version[:8]}" for d in job.train)),
        (
            "examples",
            f"{len(plan.batches.indices):,} train, {len(plan.validation[1]):,} validation",
        ),
        (
            "tokens",
            f"{num_tokens:,}, of which {num_trained:,} trained ({num_trained / num_tokens:.0%})",
        ),
        ("left out", _left_out(plan)),
        (
            "method",
            f"{config.method.kind}: {parameters.num_trainable:,} values trained ({share:.2%})",
        ),
        (
            "steps",
            f"{plan.total_steps} = {training.epochs} epochs x {plan.batches.steps_per_epoch} "
            f"({effective} examples a step)",
        ),
        (
            "rate",
            f"{plan.schedule.peak:.1e}, {training.scheduler.kind} to {plan.schedule.floor:.1e}, "
            f"{plan.schedule.num_warmup_steps} warm-up steps",
        ),
        ("memory", f"about {plan.memory}"),
        ("disk", f"{show.size(plan.disk_bytes)} of {show.size(plan.disk_free_bytes)} free"),
    ]
    show.figures(rows, title=f"preflight of {config.name}")
    for warning in plan.warnings:
        show.console.print(f"[yellow]warning:[/yellow] {warning}")


def _left_out(plan: "TrainingPlan") -> str:
    cut = sum(store.report.num_truncated for store in plan.stores)
    unusable = sum(store.report.num_unusable for store in plan.stores)
    return f"{cut} examples cut at the maximum length, {unusable} without anything to train"
