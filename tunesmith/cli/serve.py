"""`tunesmith serve`: models behind OpenAI's HTTP API, in the foreground."""

from pathlib import Path
from typing import Annotated

import typer

KEY = "TUNESMITH_SERVE_KEY"


def serve(
    models: Annotated[
        list[str],
        typer.Argument(help="Runs, RUN@STEP, base models, folders: one base, any adapters of it."),
    ],
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than loopback need TLS and a key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    base: Annotated[
        str | None, typer.Option(help="Base model of adapters that do not say theirs.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar=KEY, help="Who asks must send it; better in the variable.")
    ] = None,
    memory: Annotated[
        float | None, typer.Option(help="The most memory to take, in GB.", min=0.1)
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="Certificate chain, PEM.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Private key, PEM.")] = None,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="A proxy in front terminates TLS.")
    ] = False,
    overrides: Annotated[
        list[str], typer.Option("--set", help="A setting of the engine, such as kv_tokens=32768.")
    ] = [],  # noqa: B006  (typer copies it)
) -> None:
    """Answer OpenAI's clients for one base model and its adapters until Ctrl-C."""
    from tunesmith.api.server import address, check_exposure, is_loopback
    from tunesmith.cli import show
    from tunesmith.cli.workspace import refuse_server
    from tunesmith.errors import RecipeInvalid
    from tunesmith.schema import validate, with_overrides
    from tunesmith.service import serving
    from tunesmith.service.config import ServiceConfig
    from tunesmith.serving.config import EngineConfig
    from tunesmith.serving.spec import ServeSpec
    from tunesmith.store.home import open_home

    refuse_server("serve")
    place = ServiceConfig(
        host=host,
        port=port,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        behind_proxy=behind_proxy,
    )
    check_exposure(place)
    if not is_loopback(host) and key is None:
        raise RecipeInvalid(f"host {host} can be reached by others", hint=f"set --key or {KEY}")
    engine = validate(EngineConfig, with_overrides({}, overrides), source="--set")
    name, folder, adapters = serving.find_served(open_home(), models, base=base, say=show.note)
    spec = ServeSpec(
        name=name,
        base=str(folder),
        adapters={each: str(path) for each, path in adapters.items()},
        engine=engine,
        host=host,
        port=port,
        key=key,
        memory_bytes=None if memory is None else int(memory * 1e9),
        tls_certificate=None if tls_certificate is None else str(tls_certificate),
        tls_key=None if tls_key is None else str(tls_key),
    )

    def say_ready(port: int) -> None:
        where = address(place.model_copy(update={"port": port}))
        show.figures(
            [("models", ", ".join([name, *adapters])), ("address", f"{where}/v1")],
            title="Ready; Ctrl-C ends it",
        )
        show.say(_example(where, model=next(iter(adapters), name), needs_key=key is not None))

    serving.serve(spec, on_ready=say_ready)


def _example(where: str, *, model: str, needs_key: bool) -> str:
    """A first request to copy."""
    header = f' -H "authorization: Bearer ${KEY}"' if needs_key else ""
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'
    return (
        f"curl {where}/v1/chat/completions -H 'content-type: application/json'{header} -d '{body}'"
    )
