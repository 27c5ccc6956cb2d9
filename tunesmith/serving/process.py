"""A base model behind HTTP, from loading to the last answer."""

import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import uvicorn

from tunesmith.errors import RecipeInvalid
from tunesmith.modeling.answer import read_settings
from tunesmith.modeling.architectures import writes
from tunesmith.modeling.load import check_folder
from tunesmith.serving.app import create_app
from tunesmith.serving.embedding import Encoder
from tunesmith.serving.load import load_engine
from tunesmith.serving.memory import giving_back, limit_data
from tunesmith.serving.models import Embedder, Generator, ServedBase
from tunesmith.serving.spec import ServeSpec

_SECONDS_TO_FINISH = 5  # for answers under way when the process is asked to stop
_MOST_OPEN = 1000  # requests at once; who comes then is told to come again


def load_base(spec: ServeSpec) -> ServedBase:
    """The base of `spec` in memory, with its adapters.

    Raises:
        ModelRejected: base or adapter cannot be served.
        NotEnoughMemory: they do not fit.
    """
    folder = Path(spec.base)
    if not writes(check_folder(folder)):
        return Embedder(spec.name, Encoder(folder))
    prompt = str(read_settings(folder).get("system_prompt") or "")
    generator = Generator(spec.name, load_engine(folder, spec.engine), system_prompt=prompt)
    for name, adapter in spec.adapters.items():
        generator.load(name, Path(adapter))
    return generator


def serve(spec: ServeSpec, *, on_ready: Callable[[int], None] = lambda port: None) -> bool:
    """Load and answer until SIGTERM or SIGINT; False if the engine failed on the way.

    `on_ready` is called with the port when everything is loaded.

    Raises:
        RecipeInvalid: the address cannot be listened on.
        ModelRejected: base or adapter cannot be served.
        NotEnoughMemory: they do not fit.
    """
    with _listening(spec) as listener:
        if spec.memory_bytes is not None:
            limit_data(spec.memory_bytes)
        with giving_back():
            base = load_base(spec)
        server = _server(spec, base)
        failed = threading.Event()
        if isinstance(base, Generator):
            threading.Thread(target=_watch, args=(base, server, failed), daemon=True).start()
        on_ready(listener.getsockname()[1])
        server.run(sockets=[listener])
        if isinstance(base, Generator):
            base.engine.close()
    return not failed.is_set()


def _listening(spec: ServeSpec) -> socket.socket:
    """A socket at the address, taken before anything is loaded."""
    family = socket.AF_INET6 if ":" in spec.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((spec.host, spec.port))
    except OSError as error:
        listener.close()
        raise RecipeInvalid(
            f"{spec.host} port {spec.port} cannot be listened on: {error.strerror}",
            hint="choose another port",
        ) from error
    return listener


def _server(spec: ServeSpec, base: ServedBase) -> uvicorn.Server:
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return uvicorn.Server(
        uvicorn.Config(
            create_app(base, key=spec.key),
            ssl_certfile=spec.tls_certificate,
            ssl_keyfile=spec.tls_key,
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_SECONDS_TO_FINISH,
            limit_concurrency=_MOST_OPEN,
        )
    )


def _watch(base: Generator, server: uvicorn.Server, failed: threading.Event) -> None:
    """End the server when the engine ends first: another process can take over."""
    base.engine.wait()
    if not server.should_exit:
        failed.set()
        server.should_exit = True
