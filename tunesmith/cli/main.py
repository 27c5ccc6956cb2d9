"""The command line: it translates words into use cases and results into text, nothing else."""

import os
import sys
from typing import Annotated

import typer

from tunesmith import __version__
from tunesmith.cli import (
    aliases,
    backup,
    channels,
    chat,
    compare,
    comparisons,
    data,
    deployments,
    evaluations,
    jobs,
    keys,
    library,
    login,
    models,
    registry,
    requests,
    runs,
    serve,
    server,
    train,
    transcripts,
)
from tunesmith.cli.remote.credentials import KEY, SERVER
from tunesmith.errors import TunesmithError
from tunesmith.service.shelves import SHELVES

app = typer.Typer(
    name="tunesmith",
    help="Turn your own data into a better language model: import, check, fine-tune, compare.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(registry.app, name="registry")
app.add_typer(aliases.app, name="aliases")
app.add_typer(deployments.app, name="deployments")
app.add_typer(requests.app, name="requests")
for shelf in SHELVES:
    app.add_typer(library.commands(shelf), name=shelf.plural)
app.add_typer(comparisons.app, name="comparisons")
app.add_typer(evaluations.app, name="evaluations")
app.add_typer(transcripts.app, name="transcripts")
app.add_typer(runs.app, name="runs")
app.add_typer(jobs.app, name="jobs")
app.add_typer(keys.app, name="keys")
app.add_typer(channels.app, name="channels")
app.command("train")(train.train)
app.command("chat")(chat.chat)
app.command("compare")(compare.compare)
app.command("evaluate")(compare.evaluate)
app.command("serve")(serve.serve)
app.command("up")(server.up)
app.command("server")(server.server)
app.command("worker")(server.worker)
app.command("backup")(backup.backup)
app.command("restore")(backup.restore)
app.command("setup")(login.setup)
app.command("login")(login.login)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tunesmith {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and leave.", callback=_print_version, is_eager=True
        ),
    ] = False,
    server: Annotated[
        str | None,
        typer.Option(help=f"Work on this server instead of this machine; or set {SERVER}."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help=f"Its key; better kept by `tunesmith login`, or in {KEY}."),
    ] = None,
) -> None:
    """Turn your own data into a better language model: import, check, fine-tune, compare."""
    # Options win over variables by becoming them: one place to look.
    for name, value in {SERVER: server, KEY: key}.items():
        if value is not None:
            os.environ[name] = value


def run() -> None:
    """The `tunesmith` command: every error is one sentence and an exit code.

    Raises:
        SystemExit: always, with that code.
        Exception: an unexpected one as it is, where TUNESMITH_DEBUG asks for it.
    """
    _quiet_libraries()
    try:
        app()
    except TunesmithError as error:
        _say_error(error.message, error.hint)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:  # the reader of our output has left, as with `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    except Exception as error:
        if os.environ.get("TUNESMITH_DEBUG"):
            raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no message"
        _say_error(
            f"unexpected {type(error).__name__}: {reason}",
            "this is a defect of Tunesmith; TUNESMITH_DEBUG=1 shows where",
        )
        raise SystemExit(1) from None


def _say_error(message: str, hint: str) -> None:
    typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
    typer.echo(message, err=True)
    if hint:
        typer.secho("  next: ", fg="cyan", nl=False, err=True)
        typer.echo(hint, err=True)


def _quiet_libraries() -> None:
    """Nothing a library logs or counts is for the user; what is wrong we say ourselves."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    # For transformers' GGUF reader, which asks nobody else; tqdm reads it when it is imported.
    os.environ.setdefault("TQDM_DISABLE", "1")


if __name__ == "__main__":
    run()
