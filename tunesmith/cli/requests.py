"""`tunesmith requests`: what was asked of a server's models."""

from datetime import datetime
from typing import Annotated

import typer

app = typer.Typer(help="What was asked of a server's models: list, show.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list")
def list_(
    model: Annotated[str | None, typer.Option(help="Only what this model answered.")] = None,
    failed: Annotated[
        bool | None, typer.Option("--failed/--answered", help="Only failed ones, or only others.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Only from then on, in UTC, such as 2026-01-31T08:00.")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1, max=100)] = 20,
    as_json: Json = False,
) -> None:
    """Show requests with their times and tokens, newest first."""
    from datetime import UTC

    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.cli.remote.server import rebuilt
    from tunesmith.service.request_log import RequestView

    when = None if since is None else since.replace(tzinfo=UTC).isoformat()
    asked = {"model": model, "failed": failed, "since": when, "limit": limit}
    wanted = {name: value for name, value in asked.items() if value is not None}
    found = connect().server.call("GET", "/requests", params=wanted)["data"]
    if as_json:
        show.print_json(found)
        return
    show.table(
        ["when", "model", "status", "ms", "first token", "tokens", "id"],
        [
            (
                f"{each.time:%Y-%m-%d %H:%M:%S}",
                each.model,
                each.status,
                round(each.milliseconds),
                _rounded(each.first_token_milliseconds),
                f"{each.prompt_tokens} + {each.answer_tokens}",
                each.id,
            )
            for each in rebuilt(list[RequestView], found)
        ],
        nothing="no such requests",
    )


@app.command()
def show(
    request: Annotated[str, typer.Argument(help="A request's id.")], as_json: Json = False
) -> None:
    """Show a request with what was asked and answered, unless the tenant keeps texts out."""
    from urllib.parse import quote

    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.request_log import RequestView

    found = connect().server.view(RequestView, "GET", f"/requests/{quote(request)}")
    if as_json:
        show.print_json(found)
        return
    rows = [
        ("model", found.model),
        ("asked by", f"{found.asked_by}, {found.time:%Y-%m-%d %H:%M:%S}"),
        ("status", str(found.status)),
        ("took", f"{found.milliseconds:.0f} ms"),
        ("tokens", f"{found.prompt_tokens} read, {found.answer_tokens} written"),
        ("prompt", "kept out of the log" if found.prompt is None else found.prompt),
        ("answer", "kept out of the log" if found.answer is None else found.answer),
    ]
    show.figures(rows, title=f"request {found.id}")


def _rounded(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.0f}"
