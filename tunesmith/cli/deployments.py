"""`tunesmith deployments`: models of a server that answer."""

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

if TYPE_CHECKING:
    from tunesmith.cli.remote.server import Server
    from tunesmith.service.deployments import DeploymentView

app = typer.Typer(
    help="Models of a server that answer: list, add, stop, start, delete.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Deployment = Annotated[str, typer.Argument(help="What was deployed, or the deployment's id.")]
Wait = Annotated[bool, typer.Option(help="Come back when it answers, or why it does not is known.")]

_SECONDS_BETWEEN_LOOKS = 0.5


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show deployments, how they fare and why."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.deployments import DeploymentView

    found = list(connect().server.list(DeploymentView, "/deployments"))
    if as_json:
        show.print_json(found)
        return
    show.table(
        ["name", "model", "state", "memory", "engine", "id", "why"],
        [
            (
                each.reference,
                each.model,
                each.state,
                show.size(each.engine_bytes) if each.engine_bytes else "",
                each.engine,
                each.id,
                each.message,
            )
            for each in found
        ],
        nothing="no deployments yet; make one: tunesmith deployments add MODEL",
    )


@app.command()
def add(
    model: Annotated[
        str, typer.Argument(help="A model's id, NAME, NAME@VERSION, a base model, or an alias.")
    ],
    engine: Annotated[
        str | None, typer.Option(help="The program that serves it; see docs/serving.md.")
    ] = None,
    notify: Annotated[
        list[str], typer.Option(help="A channel that hears of it; several times.")
    ] = [],  # noqa: B006  (typer copies it)
    wait: Wait = True,
    as_json: Json = False,
) -> None:
    """Deploy a model; an alias is followed when it moves. Ctrl-C ends the waiting alone."""
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.deployments import DeploymentView

    workspace = connect()
    body = {"model": model, "notify": [workspace.find_channel(each) for each in notify]}
    body |= {} if engine is None else {"engine": engine}
    asked = workspace.server.view(DeploymentView, "POST", "/deployments", json=body)
    _tell(workspace.server, asked, wait=wait, as_json=as_json)


@app.command()
def start(deployment: Deployment, wait: Wait = True, as_json: Json = False) -> None:
    """Deploy again what has stopped or failed."""
    from tunesmith.cli.remote.connecting import connect

    server = connect().server
    _tell(server, _steer(server, deployment, "start"), wait=wait, as_json=as_json)


@app.command()
def stop(deployment: Deployment, as_json: Json = False) -> None:
    """Take no more requests; answers under way are finished."""
    from tunesmith.cli.remote.connecting import connect

    server = connect().server
    _tell(server, _steer(server, deployment, "stop"), wait=False, as_json=as_json)


@app.command()
def delete(deployment: Deployment) -> None:
    """Forget a deployment that has stopped or failed."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    server = connect().server
    server.call("DELETE", f"/deployments/{quote(_find(server, deployment).id)}")
    show.say(f"the deployment of {deployment} is forgotten")


def _steer(server: "Server", deployment: str, deed: str) -> "DeploymentView":
    from tunesmith.service.deployments import DeploymentView

    path = f"/deployments/{quote(_find(server, deployment).id)}/{deed}"
    return server.view(DeploymentView, "POST", path)


def _find(server: "Server", reference: str) -> "DeploymentView":
    """The deployment of an id, else the newest of a model.

    Raises:
        NotFound: there is none.
    """
    from tunesmith.errors import NotFound
    from tunesmith.service.deployments import DeploymentView

    known = list(server.list(DeploymentView, "/deployments"))
    found = [each for each in known if reference in (each.id, each.reference, each.model)]
    if not found:
        names = ", ".join(dict.fromkeys(each.reference for each in known)) or "none yet"
        raise NotFound(f"there is no deployment of {reference!r}", hint=f"there are: {names}")
    return found[0]


def _tell(server: "Server", seen: "DeploymentView", *, wait: bool, as_json: bool) -> None:
    """Say how a deployment fares, once it has been brought up if that is waited for.

    Raises:
        RunFailed: it failed.
    """
    from tunesmith.cli import show
    from tunesmith.errors import RunFailed

    if wait:
        seen = _settled(server, seen)
    if seen.state == "failed":
        raise RunFailed(f"{seen.reference} is not deployed: {seen.message}", hint=seen.hint)
    if as_json:
        show.print_json(seen)
        return
    show.say(f"{seen.reference} is {seen.state} ({seen.id})")
    if seen.state == "ready":
        show.say(f"next: tunesmith chat {seen.reference}")


def _settled(server: "Server", seen: "DeploymentView") -> "DeploymentView":
    """The deployment when it is no longer being brought up.

    Raises:
        Stopped: Ctrl-C; it goes on.
    """
    import time

    from tunesmith.cli import show
    from tunesmith.cli.progress import job_progress
    from tunesmith.errors import Stopped
    from tunesmith.service.deployments import DeploymentView

    try:
        with job_progress(f"deploying {seen.reference}"):
            told = ""
            while seen.state == "deploying":
                if seen.hint and seen.message != told:
                    told = seen.message
                    show.note(f"{seen.reference} {told} ({seen.hint})")
                time.sleep(_SECONDS_BETWEEN_LOOKS)
                seen = server.view(DeploymentView, "GET", f"/deployments/{quote(seen.id)}")
    except KeyboardInterrupt:
        raise Stopped(
            f"no longer watching; {seen.reference} is being deployed at {server.address}",
            hint="tunesmith deployments list",
        ) from None
    return seen
