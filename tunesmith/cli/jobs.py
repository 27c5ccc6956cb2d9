"""`tunesmith jobs`: the queue of a server."""

from typing import Annotated

import typer

app = typer.Typer(help="The queue of a server: list, show, move, cancel.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Job = Annotated[str, typer.Argument(help="A job's id, or a run's name.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100)] = 20,
    as_json: Json = False,
) -> None:
    """Show jobs with their places in the queue and why they wait."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.cli.remote.server import rebuilt
    from tunesmith.service.job_views import JobView

    found = connect().server.call("GET", "/jobs", params={"limit": limit})["data"]
    jobs = rebuilt(list[JobView], found)
    if as_json:
        show.print_json(jobs)
        return
    show.table(
        ["id", "kind", "name", "status", "place", "step", "waits for"],
        [
            (
                job.id,
                job.kind,
                job.name,
                job.status,
                job.position or "",
                f"{job.step}/{job.total_steps}" if job.total_steps else "",
                job.waits_for,
            )
            for job in jobs
        ],
        nothing="no jobs yet",
    )


@app.command()
def show(job: Job, as_json: Json = False) -> None:
    """Show a job: status, cost, and what went wrong."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    view = connect().find_run(job)
    if as_json:
        show.print_json(view)
        return
    error = view.error or {"message": "", "hint": ""}
    rows = [
        ("id", view.id),
        ("status", f"{view.status} {view.waits_for}".strip()),
        ("priority", str(view.priority)),
        ("asked by", f"{view.created_by}, {view.created_at:%Y-%m-%d %H:%M}"),
        ("took", f"{show.duration(view.cost.seconds)}, {view.cost.core_hours:.2f} core hours"),
        ("error", error["message"]),
        ("next", error["hint"]),
    ]
    show.figures([row for row in rows if row[1]], title=f"{view.kind} {view.name}")


@app.command()
def move(
    job: Job,
    before: Annotated[str | None, typer.Option(help="The waiting job to come before.")] = None,
    priority: Annotated[
        int | None, typer.Option(help="Larger comes first.", min=-100, max=100)
    ] = None,
) -> None:
    """Give a waiting job another place."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    workspace = connect()
    other = workspace.find_run(before).id if before else None
    place = {"before": other, "priority": priority}
    view = workspace.steer(workspace.find_run(job).id, "move", place)
    show.say(f"{view.kind} {view.name} has place {view.position} of the queue")


@app.command()
def cancel(job: Job) -> None:
    """End a job of any kind; what it has written so far is not published."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    workspace = connect()
    view = workspace.steer(workspace.find_run(job).id, "cancel")
    show.say(f"{view.kind} {view.name} {'is being cancelled' if view.wish else 'is cancelled'}")
