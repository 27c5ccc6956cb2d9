"""`tunesmith comparisons`: what was compared before, and votes on whose answers are best."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.results import add_commands

if TYPE_CHECKING:
    from tunesmith.service.votes import BlindExchange, VoteTotals

app = typer.Typer(
    help="Past comparisons: list, show, export, delete; on a server also vote, votes.",
    no_args_is_help=True,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
Comparison = Annotated[str, typer.Argument(help="A comparison's id.")]

_NO_BEST: Mapping[str, str] = {"=": "tie", "0": "none"}  # the console's keys


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show all comparisons, newest first."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    found = open_workspace().list_comparisons()
    if as_json:
        show.print_json(found)
        return
    show.table(
        ["id", "when", "status", "models", "dataset", "votes"],
        [
            (
                each.id,
                f"{each.created_at:%Y-%m-%d %H:%M}",
                each.status,
                ", ".join(each.models),
                each.dataset or "",
                each.num_votes or "",
            )
            for each in found
        ],
        nothing="no comparisons yet; make one: tunesmith compare MODEL MODEL --prompts FILE",
    )


@app.command()
def show(comparison: Comparison, as_json: Json = False) -> None:
    """Show all answers side by side, with what they come to."""
    from tunesmith.cli import show
    from tunesmith.cli.compare import show_comparison
    from tunesmith.cli.workspace import open_workspace

    kept = open_workspace().read_comparison(comparison)
    if as_json:
        show.print_json(kept)
        return
    show_comparison(kept)
    show.say(f"to read: {kept.report}")


add_commands(app, "comparisons", delete_help="Delete a comparison, on a server with its votes.")


# --- votes -----------------------------------------------------------------------------------


@app.command()
def vote(comparison: Comparison) -> None:
    """Say whose answers are best without knowing whose they are.

    A letter votes; = means that the best are equal, 0 that none is good, Enter goes on.
    """
    from urllib.parse import quote

    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.votes import BlindExchange, CastVote

    server = connect().server
    path = f"/comparisons/{quote(comparison, safe='')}"
    waiting = [
        each for each in server.numbered(BlindExchange, f"{path}/blind") if each.vote is None
    ]
    for exchange in waiting:
        _show_blind(exchange)
        try:
            choice = _ask(exchange)
        except (EOFError, KeyboardInterrupt):
            print()
            break
        if choice is None:
            continue
        body = {"choice": choice}
        cast = server.view(CastVote, "PUT", f"{path}/votes/{exchange.number}", json=body)
        show.say(", ".join(f"{letter}: {name}" for letter, name in cast.names.items()))
    if not waiting:
        show.say("you have voted on all of it")
    show.say(f"next: tunesmith comparisons votes {comparison}")


def _show_blind(exchange: "BlindExchange") -> None:
    from tunesmith.cli import show

    show.say(f"\n▌ {exchange.messages[-1]['content']}")
    for letter, text in exchange.answers.items():
        show.say(f"  {letter} │ " + text.replace("\n", "\n    │ "))


def _ask(exchange: "BlindExchange") -> str | None:
    """What is typed; None to go on without a vote."""
    from tunesmith.cli import show

    while True:
        typed = input("best > ").strip().upper()
        if not typed:
            return None
        if typed in exchange.answers or typed in _NO_BEST:
            return _NO_BEST.get(typed, typed)
        show.say(f"{', '.join(exchange.answers)}, = (equal), 0 (none), or Enter to go on")


@app.command()
def votes(
    comparison: Annotated[
        str | None, typer.Argument(help="A comparison's id; without it, votes in chats.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how the models of a server stand after all votes on a comparison, or in chats."""
    from urllib.parse import quote

    from tunesmith.cli import show
    from tunesmith.cli.remote.connecting import connect
    from tunesmith.service.votes import VoteTotals

    path = (
        "/chat-votes" if comparison is None else f"/comparisons/{quote(comparison, safe='')}/votes"
    )
    totals = connect().server.view(VoteTotals, "GET", path)
    if as_json:
        show.print_json(totals)
        return
    _show_totals(totals)


def _show_totals(totals: "VoteTotals") -> None:
    from tunesmith.cli import show

    show.table(
        ["model", "best", "win rate", "with 95 % confidence"],
        [
            (
                each.model,
                each.num_best,
                *(
                    ("", "")
                    if each.win_rate is None or each.low is None or each.high is None
                    else (f"{each.win_rate:.0%}", f"{each.low:.0%} to {each.high:.0%}")
                ),
            )
            for each in totals.standings
        ],
    )
    show.say(
        f"{totals.num_votes} votes of {totals.num_voters} people, {totals.num_ties} of them for "
        f"equally good answers, {totals.num_none} for none"
    )
