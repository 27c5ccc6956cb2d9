"""`tunesmith chat`, `compare` and `evaluate`: talking to models and measuring their answers."""

from pathlib import Path
from typing import Annotated

import typer

Model = Annotated[str, typer.Argument(help="A run, RUN@STEP, a base model or a folder.")]
MaxTokens = Annotated[int, typer.Option("--max-tokens", help="Longest answer, in tokens.", min=1)]
Temperature = Annotated[float, typer.Option(help="0 always takes the likeliest token.", min=0.0)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


def chat(
    model: Model,
    prompt: Annotated[
        str | None, typer.Option(help="Ask one thing, print the answer and leave.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(help="System prompt; by default the one the model was trained with."),
    ] = None,
    max_tokens: MaxTokens = 256,
    temperature: Temperature = 0.0,
) -> None:
    """Talk to a model. /new starts over, /quit or Ctrl-D leaves."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import refuse_server
    from tunesmith.service import answers
    from tunesmith.store.home import open_home

    refuse_server("chat")
    session = answers.open_chat(
        open_home(),
        model,
        system=system,
        max_tokens=max_tokens,
        temperature=temperature,
        say=show.note,
    )
    if prompt is not None:
        session.ask(prompt, on_text=_print_piece)
        print()
        return
    show.say(f"talking to {model}; /new starts over, /quit leaves")
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


def compare(
    models: Annotated[
        list[str], typer.Argument(help="Two or more: runs, RUN@STEP, base models, folders.")
    ],
    prompts: Annotated[Path, typer.Option(help="One prompt a line, or JSONL with messages.")],
    max_tokens: MaxTokens = 160,
    limit: Annotated[int | None, typer.Option(help="Only the first prompts.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Answer the same prompts with several models, side by side."""
    from tunesmith.cli import show
    from tunesmith.cli.progress import counted_progress
    from tunesmith.cli.workspace import refuse_server
    from tunesmith.service import answers
    from tunesmith.store.home import open_home

    refuse_server("compare")
    with counted_progress("answering") as advance:
        transcript = answers.compare(
            open_home(),
            models,
            prompts,
            limit=limit,
            max_tokens=max_tokens,
            on_progress=lambda name, done, total: advance(done, total),
        )
    if as_json:
        show.print_json(transcript)
        return
    for exchange in transcript:
        show.say(f"\n▌ {exchange.prompt}")
        width = max(len(name) for name in exchange.answers)
        new_line = "\n" + " " * (width + 3) + "│ "
        for name, answer in exchange.answers.items():
            lines = answer.replace("\n", new_line)
            show.say(f"  {name:<{width}} │ {lines}")


def evaluate(
    models: Annotated[
        list[str], typer.Argument(help="One or more: runs, RUN@STEP, base models, folders.")
    ],
    data: Annotated[str, typer.Option(help="Dataset whose last answers are the references.")],
    metric: Annotated[
        str, typer.Option(help="exact, json-exact, json-valid or final-number.")
    ] = "json-exact",
    limit: Annotated[int, typer.Option(help="Examples asked, from the first on.", min=1)] = 100,
    max_tokens: MaxTokens = 160,
    as_json: Json = False,
) -> None:
    """Score the answers of models against a dataset's own."""
    from tunesmith.cli import show
    from tunesmith.cli.progress import counted_progress
    from tunesmith.cli.workspace import refuse_server
    from tunesmith.service import answers
    from tunesmith.store.home import open_home

    refuse_server("evaluate")
    with counted_progress("answering") as advance:
        scores = answers.evaluate(
            open_home(),
            models,
            data,
            metric=metric,
            limit=limit,
            max_tokens=max_tokens,
            on_progress=lambda name, done, total: advance(done, total),
        )
    if as_json:
        show.print_json(scores)
        return
    show.table(
        ["model", metric, "right"],
        [(s.model, f"{s.mean:.1%}", f"{sum(s.points):.0f} of {len(s.points)}") for s in scores],
    )
