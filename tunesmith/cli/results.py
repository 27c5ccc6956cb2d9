"""What is done with comparisons and evaluations alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.service.local_results import ResultKind

Result = Annotated[str, typer.Argument(metavar="ID", help="As `list` shows it.")]


def add_commands(app: typer.Typer, kind: "ResultKind", *, delete_help: str) -> None:
    """Add `export` and `delete` of what was made before."""

    def export(
        result: Result,
        file: Annotated[Path, typer.Argument(help="The HTML file to write.")],
        overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
    ) -> None:
        from tunesmith.cli import show
        from tunesmith.cli.workspace import open_workspace

        open_workspace().export_report(kind, result, file, overwrite=overwrite)
        show.say(f"{result} is in {file}")

    def delete(result: Result) -> None:
        from tunesmith.cli import show
        from tunesmith.cli.workspace import open_workspace

        open_workspace().delete_result(kind, result)
        show.say(f"{result} is deleted")

    app.command(help="Write it as one HTML file, to read and to pass on.")(export)
    app.command(help=delete_help)(delete)
