"""`tunesmith transcripts`: chats that people of a server keep, to read again and to train on."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

app = typer.Typer(
    help="Kept chats of a server: list, show, export, dataset, delete.", no_args_is_help=True
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Transcript = Annotated[str, typer.Argument(help="A kept chat's id.")]
Transcripts = Annotated[
    list[str] | None, typer.Argument(help="Ids of kept chats; all if left out.")
]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show kept chats, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.transcripts import TranscriptView

    found = list(connect().server.list(TranscriptView, "/transcripts"))
    if as_json:
        show.print_json(found)
        return
    show.table(
        ["id", "when", "title", "model", "character", "messages", "by"],
        [
            (
                each.id,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                each.title,
                each.model,
                each.character or "",
                each.num_messages,
                each.created_by,
            )
            for each in found
        ],
        nothing="no chats are kept yet; the console's chat keeps them",
    )


@app.command()
def show(transcript: Transcript, as_json: Json = False) -> None:
    """Show what was said in a chat."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.transcripts import TranscriptDetail

    path = f"/transcripts/{quote(transcript, safe='')}"
    found = connect().server.view(TranscriptDetail, "GET", path)
    if as_json:
        show.print_json(found)
        return
    kept = found.transcript
    rows = [
        ("model", kept.model),
        ("character", kept.character or ""),
        ("kept by", f"{kept.created_by}, {kept.created_at:%Y-%m-%d %H:%M}"),
        ("sampling", show.setting(found.sampling.model_dump(exclude_none=True))),
    ]
    show.figures([row for row in rows if row[1]], title=f"{kept.title} ({kept.id})")
    for turn in found.messages:
        show.say(f"\n{turn.role} > {turn.content}")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="The JSONL file to write.")],
    transcripts: Transcripts = None,
    overwrite: Annotated[bool, typer.Option(help="Replace the file if it exists.")] = False,
) -> None:
    """Write kept chats as JSON Lines, as `data import` reads them."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    connect().server.download(
        "/transcripts/export", file, overwrite=overwrite, transcript=transcripts or []
    )
    with file.open("rb") as lines:
        show.say(f"{sum(1 for _ in lines)} chats: {file}")


@app.command()
def dataset(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    transcripts: Transcripts = None,
    as_json: Json = False,
) -> None:
    """Import kept chats of a server as a dataset there."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.cli.remote.following import follow
    from tunesmith.service.job_views import JobView

    server = connect().server
    body = {"name": name, "transcripts": transcripts or []}
    done = follow(server, server.view(JobView, "POST", "/transcripts/dataset", json=body))
    if as_json:
        show.print_json(done)
        return
    show.say(f"dataset {name} is made; next: tunesmith data show {name}")


@app.command()
def delete(transcript: Transcript) -> None:
    """Delete a kept chat; datasets that were made of it stay."""
    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect

    connect().server.call("DELETE", f"/transcripts/{quote(transcript, safe='')}")
    show.say(f"{transcript} is deleted")
