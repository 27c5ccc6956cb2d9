"""`tunesmith chat`: talking to a model."""

from typing import Annotated

import typer

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
) -> None:
    """Talk to a model. /new starts over, /quit or Ctrl-D leaves."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import ChatWish, open_workspace

    wish = ChatWish(model, system, character, max_tokens, temperature)
    session = open_workspace().open_chat(wish)
    if prompt is not None:
        session.ask(prompt, on_text=_print_piece)
        print()
        return
    show.say(f"talking to {model}; /new starts over, /quit leaves")
    if session.greeting:
        show.say(f"{character} > {session.greeting}")
    while True:
        try:
            line = input("you > ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if line in ("/quit", "/exit"):
            return
        if line == "/new":
            session.forget()
            continue
        if line:
            print(f"{model} > ", end="", flush=True)
            session.ask(line, on_text=_print_piece)
            print()


def _print_piece(text: str) -> None:
    print(text, end="", flush=True)
