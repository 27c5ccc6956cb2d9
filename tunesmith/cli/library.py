"""`tunesmith characters` and `prompts`: a server's library, whose every edit is a version."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tunesmith.service.shelves import Shelf

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Name = Annotated[str, typer.Argument(help="What it is called.")]
Reference = Annotated[str, typer.Argument(help="NAME, or NAME@VERSION.")]


def commands(shelf: Shelf[Any]) -> typer.Typer:
    """The commands for entries of a kind."""
    kind, fields = shelf.kind, ", ".join(shelf.content.model_fields)
    app = typer.Typer(help=f"{shelf.purpose}: list, show, set, delete.", no_args_is_help=True)

    def list_(as_json: Json = False) -> None:
        from tunesmith.cli import show
        from tunesmith.cli.remote.connecting import connect
        from tunesmith.cli.remote.library import list_editions

        editions = list_editions(connect().server, shelf)
        if as_json:
            show.print_json(editions)
            return
        show.table(
            ["name", "version", "by", "when"],
            [
                (each.name, each.version, each.created_by, f"{each.created_at:%Y-%m-%d %H:%M}")
                for each in editions
            ],
            nothing=f"no {shelf.plural} yet; keep one: tunesmith {shelf.plural} set NAME FILE",
        )

    def show_(reference: Reference, as_json: Json = False) -> None:
        from tunesmith.cli import show
        from tunesmith.cli.remote.connecting import connect
        from tunesmith.cli.remote.library import edition_of

        content = edition_of(connect().server, shelf, reference)
        if as_json:
            show.print_json(content)
            return
        values = content.model_dump(exclude_none=True)
        rows = [(field, show.setting(value)) for field, value in values.items() if value]
        show.figures(rows, title=f"{kind} {reference}")

    def keep(
        name: Name,
        file: Annotated[Path, typer.Argument(help=f"YAML with {fields}.")],
        as_json: Json = False,
    ) -> None:
        from tunesmith.cli import show
        from tunesmith.cli.remote.connecting import connect
        from tunesmith.cli.remote.library import keep_edition
        from tunesmith.schema import parse_yaml, read_text, validate

        values = parse_yaml(read_text(file), source=str(file))
        content = validate(shelf.content, values, source=str(file))
        kept = keep_edition(connect().server, shelf, name, content)
        if as_json:
            show.print_json(kept)
            return
        show.say(f"{kind} {kept.name} has version {kept.version}")

    def delete(name: Name) -> None:
        from tunesmith.cli import show
        from tunesmith.cli.remote.connecting import connect
        from tunesmith.cli.remote.library import find_entry

        server = connect().server
        entry = find_entry(server, shelf, name)
        server.call("DELETE", f"/{shelf.plural}/{entry.id}")
        show.say(f"the {kind} {name} is deleted")

    app.command("list", help="Show the newest version of each.")(list_)
    app.command("show", help="Show what a version holds.")(show_)
    app.command("set", help="Make what a file holds the newest version, or the first.")(keep)
    app.command("delete", help="Delete one with all its versions.")(delete)
    return app
