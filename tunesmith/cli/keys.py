"""`tunesmith keys`: API keys of a server."""

from typing import Annotated

import typer

app = typer.Typer(help="API keys of a server: list, add, revoke.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show your keys; as an owner, all of the tenant. Their secrets are not known any more."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.keys import KeyView

    keys = list(connect().server.list(KeyView, "/keys"))
    if as_json:
        show.print_json(keys)
        return
    show.table(
        ["id", "name", "ends in", "of", "may", "state"],
        [
            (
                key.id,
                key.name,
                key.hint,
                key.email,
                ", ".join(key.permissions) if key.permissions is not None else "all",
                "revoked" if key.revoked_at else f"until {key.expires_at or 'revoked'}",
            )
            for key in keys
        ],
    )


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    may: Annotated[
        list[str] | None,
        typer.Option(help="read, data, run, models, keys or manage; all you may by default."),
    ] = None,
    days: Annotated[int | None, typer.Option(help="Days until it expires.", min=1)] = None,
) -> None:
    """Make a key; its secret is printed this once."""
    from tunesmith.cli.remote.connecting import connect

    body = {"name": name, "permissions": may, "days": days}
    print(connect().server.call("POST", "/keys", json=body)["secret"])


@app.command()
def revoke(key: Annotated[str, typer.Argument(help="A key's id.")]) -> None:
    """End a key at once."""
    from urllib.parse import quote

    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    connect().server.call("DELETE", f"/keys/{quote(key, safe='')}")
    show.say(f"key {key} is revoked")
