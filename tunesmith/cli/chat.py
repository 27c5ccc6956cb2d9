"""`tunesmith chat`: talking to a model."""

from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.errors import RecipeInvalid, TunesmithError
from tunesmith.schema import validate

if TYPE_CHECKING:
    from tunesmith.cli.workspace import Chat, Workspace

Model = Annotated[
    str,
    typer.Argument(help="A run, RUN@STEP, a base model or a folder; on a server what is deployed."),
]
MaxTokens = Annotated[int | None, typer.Option(help="Longest answer, in tokens.", min=1)]
Temperature = Annotated[
    float | None, typer.Option(help="0, the default, always takes the likeliest token.", min=0.0)
]


def chat(
    model: Model,
    prompt: Annotated[
        str | None, typer.Option(help="Ask one thing, print the answer and leave.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(help="System prompt; by default the one the model was trained with."),
    ] = None,
    character: Annotated[
        str | None, typer.Option(help="Whom the model plays: NAME or NAME@VERSION of a server's.")
    ] = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    keep: Annotated[
        str | None,
        typer.Option(metavar="TITLE", help="Keep what was said, among the `transcripts`."),
    ] = None,
) -> None:
    """Talk to a model. /save TITLE keeps what was said, /new starts over, /quit or Ctrl-D leaves.

    With --keep a chat is kept whenever it ends.
    """
    from tunesmith.cli import show
    from tunesmith.cli.workspace import ChatWish, open_workspace

    if keep is not None:
        _check_title(keep)
    workspace = open_workspace()
    session = workspace.open_chat(ChatWish(model, system, character, max_tokens, temperature))
    if prompt is not None:
        _ask(session, prompt)
    else:
        show.say(f"talking to {model}; /save TITLE keeps it, /new starts over, /quit leaves")
        if session.greeting:
            show.say(f"{character} > {session.greeting}")
        _talk(workspace, session, model=model, keep=keep)
    if keep is not None:
        _keep(workspace, session, title=keep)


def _talk(workspace: "Workspace", session: "Chat", *, model: str, keep: str | None) -> None:
    """Ask what is typed, and do what is told, until somebody leaves."""
    while True:
        try:
            line = input("you > ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        match line.split(maxsplit=1):
            case []:
                continue
            case ["/quit" | "/exit"]:
                return
            case ["/new"]:
                if keep is not None:
                    _try_to_keep(workspace, session, title=keep)
                session.forget()
            case ["/save", *title]:
                _try_to_keep(workspace, session, title="".join(title))
            case _:
                print(f"{model} > ", end="", flush=True)
                _ask(session, line)


def _ask(session: "Chat", prompt: str) -> None:
    session.ask(prompt, on_text=lambda text: print(text, end="", flush=True))
    print()


def _try_to_keep(workspace: "Workspace", session: "Chat", *, title: str) -> None:
    """Keep what was said; if that cannot be, say why, and the talk goes on."""
    from tunesmith.cli import show

    try:
        _keep(workspace, session, title=title)
    except TunesmithError as error:
        show.note("; ".join(filter(None, (f"not kept: {error.message}", error.hint))))


def _keep(workspace: "Workspace", session: "Chat", *, title: str) -> None:
    from tunesmith.cli import show
    from tunesmith.service.transcripts import ChatToKeep

    _check_title(title)
    said = session.said()
    if not any(turn["role"] == "assistant" for turn in said["messages"]):
        raise RecipeInvalid("there is no answer yet", hint="ask something first")
    chat = validate(ChatToKeep, {"title": title, **said}, source="chat")
    kept = workspace.keep_chat(chat)
    show.note(f"kept; to read: tunesmith transcripts show {kept.id}")


def _check_title(title: str) -> None:
    """Refuse what no chat is kept under; before a chat, so that it is not lost at its end."""
    from tunesmith.service.transcripts import MAX_TITLE_CHARACTERS

    if not 1 <= len(title) <= MAX_TITLE_CHARACTERS:
        raise RecipeInvalid(
            f"a title of {len(title)} characters", hint=f"write 1 to {MAX_TITLE_CHARACTERS}"
        )
