"""`tunesmith registry`: the models of a server."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

app = typer.Typer(
    help="A server's models: list, add, import, export, delete.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Model = Annotated[str, typer.Argument(help="A model's id.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all versions of all models, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    models = connect().list_registered()
    if as_json:
        show.print_json(models)
        return
    show.table(
        ["model", "kind", "base", "aliases", "size", "id"],
        [
            (
                f"{each.name}@{each.version}",
                each.kind,
                each.base,
                ", ".join(each.aliases),
                show.size(each.num_bytes),
                each.id,
            )
            for each in models
        ],
        nothing="no models yet; a run's result is one, and: tunesmith registry import",
    )


@app.command()
def add(
    checkpoint: Annotated[str, typer.Argument(help="RUN@STEP, such as the best of its steps.")],
    name: Annotated[str | None, typer.Option(help="The model's name; the run's if left out.")] = (
        None
    ),
    as_json: Json = False,
) -> None:
    """Register a checkpoint as the next version of a model, to be named, compared, deployed."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.errors import NotFound
    from tunesmith.service.model_pages import RegisteredModel

    run, _, step = checkpoint.partition("@")
    if not step.isdigit():
        raise NotFound(f"{checkpoint!r} is no checkpoint", hint="RUN@STEP; tunesmith runs show RUN")
    workspace = connect()
    path = f"/runs/{workspace.find_run(run).id}/checkpoints/{step}/register"
    made = workspace.server.view(RegisteredModel, "POST", path, json={"name": name})
    if as_json:
        show.print_json(made)
        return
    show.say(f"{made.name}@{made.version} is here ({made.kind}, {made.base}): {made.id}")


@app.command("import")
def import_(
    archive: Annotated[
        Path, typer.Argument(help="A tar file or zip of an adapter (PEFT) or model (safetensors).")
    ],
    name: Annotated[str, typer.Option(help="What to call the model.")],
    base: Annotated[
        str | None, typer.Option(help="What an adapter is for, where its files do not say it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a model that was made elsewhere, and register it as the next version of NAME."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    made = connect().import_model(archive, name=name, base=base)
    if as_json:
        show.print_json(made)
        return
    show.say(f"{made.name}@{made.version} is here ({made.kind}, {made.base}): {made.id}")


@app.command()
def export(
    model: Model,
    into: Annotated[Path, typer.Argument(help="The tar file to write.")],
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Write all files of a model, with the manifest that holds their hashes, as a tar file."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    connect().server.download(f"/models/{quote(model)}/archive", into, overwrite=overwrite)
    show.say(f"{model} is in {into}")


@app.command()
def delete(model: Model) -> None:
    """Delete a version and its files; refused while something uses it."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    connect().server.call("DELETE", f"/models/{quote(model)}")
    show.say(f"{model} is deleted")
