"""`tunesmith aliases`: names such as prod that are moved from one model of a server to the next."""

from typing import Annotated
from urllib.parse import quote

import typer

app = typer.Typer(
    help="Names of a server's models that move: list, set, remove, history.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Alias = Annotated[str, typer.Argument(help="The alias, such as prod.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the aliases and the models they point to."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.model_pages import AliasView

    aliases = list(connect().server.list(AliasView, "/aliases"))
    if as_json:
        show.print_json(aliases)
        return
    show.table(
        ["name", "model", "id"],
        [(each.name, each.model, each.model_id) for each in aliases],
        nothing="no aliases yet; make one: tunesmith aliases set NAME MODEL",
    )


@app.command("set")
def set_(
    alias: Alias,
    model: Annotated[str, typer.Argument(help="A model's id, NAME or NAME@VERSION.")],
    instead_of: Annotated[
        str | None, typer.Option(help="Refuse unless it points to this model now.")
    ] = None,
) -> None:
    """Let an alias point to a model, at once for everybody; it is made if it is new."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    body = {"model": model, "instead_of": instead_of}
    moved = connect().server.call("PUT", f"/aliases/{quote(alias)}", json=body)
    show.say(f"{alias} points to {moved['model']}")


@app.command()
def remove(alias: Alias) -> None:
    """Forget an alias; the model stays."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    connect().server.call("DELETE", f"/aliases/{quote(alias)}")
    show.say(f"the alias {alias} is gone")


@app.command()
def history(alias: Alias, as_json: Json = False) -> None:
    """Show who let an alias point where, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.cli.remote.server import rebuilt
    from tunesmith.service.alias_moves import AliasMoveView

    found = connect().server.call("GET", f"/aliases/{quote(alias)}/history", params={"limit": 100})
    moves = rebuilt(list[AliasMoveView], found["data"])
    if as_json:
        show.print_json(moves)
        return
    show.table(
        ["when", "who", "from", "to"],
        [
            (
                f"{each.moved_at:%Y-%m-%d %H:%M}",
                each.moved_by,
                each.from_model or "-",
                each.to_model or "-",
            )
            for each in moves
        ],
    )
