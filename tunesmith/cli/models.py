"""`tunesmith models`: base models."""

from typing import Annotated

import typer

app = typer.Typer(help="Base models: list, pull, inspect.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show the base models that can be pulled by name, and which are here."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    views = open_workspace().list_models()
    if as_json:
        show.print_json(views)
        return
    show.table(
        ["name", "parameters", "licence", "here", "what it is"],
        [
            (
                view.name,
                f"{view.num_parameters / 1e6:.0f} M",
                view.licence,
                show.size(view.bytes_on_disk) if view.pulled else "no",
                view.summary,
            )
            for view in views
        ],
    )
    show.say("A recipe's model may also be a folder in Hugging Face layout or a .gguf file.")


@app.command()
def pull(name: Annotated[str, typer.Argument(help="A name from `tunesmith models list`.")]) -> None:
    """Fetch a base model, check it, and keep it as safetensors."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    place = open_workspace().pull_model(name)
    show.say(f"{name} is in {place}")


@app.command()
def inspect(
    model: Annotated[str, typer.Argument(help="A catalog name, a model folder or a .gguf file.")],
    method: Annotated[
        str, typer.Option(help="Show what this method would train: lora or full.")
    ] = "lora",
    rank: Annotated[int, typer.Option(help="Rank for lora.", min=1)] = 16,
    targets: Annotated[str, typer.Option(help="Target preset for lora.")] = "all-linear",
    as_json: Json = False,
) -> None:
    """Show what a method would train: every name, the counts, the sizes."""
    from tunesmith.cli import show
    from tunesmith.cli.workspace import open_workspace

    view = open_workspace().inspect_model(model, method=method, rank=rank, targets=targets)
    if as_json:
        show.print_json(view)
        return
    show.table(
        ["trained tensor", "values"],
        [(name, f"{count:,}") for name, count in view.trainable.items()],
    )
    share = view.num_trainable / view.total
    show.say(f"trained {view.num_trainable:,} of {view.total:,} values ({share:.2%}) with {method}")
    show.say(
        f"weights on disk {show.size(view.bytes_on_disk)}, result {show.size(view.result_bytes)}"
    )
