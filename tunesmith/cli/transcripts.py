"""`tunesmith transcripts`: chats that people keep, to read again and to train on."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Kept chats: list, show, export, dataset, delete.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Transcript = Annotated[str, typer.Argument(help="A kept chat's id.")]
Transcripts = Annotated[
    list[str] | None, typer.Argument(help="Ids of kept chats; all if left out.")
]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show kept chats, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    found = open_workspace().list_transcripts()
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
        nothing="no chats are kept yet; keep one: tunesmith chat MODEL --keep TITLE",
    )


@app.command()
def show(transcript: Transcript, as_json: Json = False) -> None:
    """Show what was said in a chat."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    found = open_workspace().read_transcript(transcript)
    if as_json:
        show.print_json(found)
        return
    kept = found.transcript
    rows = [
        ("model", kept.model),
        ("character", kept.character or ""),
        ("kept by", kept.created_by),
        ("kept at", f"{kept.created_at:%Y-%m-%d %H:%M}"),
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
    from tunesmith.cli.workspace import open_workspace

    written = open_workspace().export_transcripts(transcripts or [], file, overwrite=overwrite)
    show.say(f"{written} chats: {file}")


@app.command()
def dataset(
    name: Annotated[str, typer.Argument(help="The dataset's name.")],
    transcripts: Transcripts = None,
    as_json: Json = False,
) -> None:
    """Import kept chats as a dataset."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    made = open_workspace().train_on_transcripts(transcripts or [], name=name)
    if as_json:
        show.print_json(made)
        return
    show.say(f"dataset {name} is made; next: tunesmith data show {name}")


@app.command()
def delete(transcript: Transcript) -> None:
    """Delete a kept chat; datasets that were made of it stay."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    open_workspace().delete_transcript(transcript)
    show.say(f"{transcript} is deleted")
