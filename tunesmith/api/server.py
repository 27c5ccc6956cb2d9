"""The server process."""

import gc
import ipaddress
import logging
import threading
from collections.abc import Iterable

import uvicorn
from fastapi import APIRouter

from tunesmith.api.app import Part, create_app
from tunesmith.api.metrics import Metrics
from tunesmith.errors import RecipeInvalid
from tunesmith.service.config import ServiceConfig
from tunesmith.service.files import remove_partial_files
from tunesmith.service.outbox import dispatching
from tunesmith.service.services import Services

_SECONDS_TO_FINISH = 3  # for answers under way when the server is asked to stop
_NEW_OBJECTS = 20_000  # after which the garbage collector looks for some to forget


def check_exposure(config: ServiceConfig) -> None:
    """Refuse to listen to the world in the clear.

    Raises:
        RecipeInvalid: beyond loopback without TLS or a proxy that terminates it, or half of TLS.
    """
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise RecipeInvalid("TLS needs both tls_certificate and tls_key")
    if is_loopback(config.host) or config.tls_certificate is not None or config.behind_proxy:
        return
    raise RecipeInvalid(
        f"host {config.host} can be reached by others, and nothing encrypts what they send",
        hint="set tls_certificate and tls_key, or behind_proxy if a proxy does that",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(config: ServiceConfig) -> str:
    """Where people find the service."""
    scheme = "https" if config.tls_certificate is not None else "http"
    return f"{scheme}://{config.host}:{config.port}"


def serve(services: Services, *, pages: Iterable[APIRouter] = ()) -> None:
    """Answer requests and send messages until SIGTERM or SIGINT.

    The operator's routes are on a port of their own if one is set. `pages` are the console's.

    Raises:
        RecipeInvalid: the settings would expose it in the clear.
    """
    check_exposure(services.config)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    remove_partial_files(services)
    server, *others = _servers(services, pages)
    _spare_the_collector()
    threads = [threading.Thread(target=each.run, daemon=True) for each in others]
    with dispatching(services):
        for thread in threads:
            thread.start()
        try:
            server.run()
        finally:
            for each in others:
                each.should_exit = True
            for thread in threads:
                thread.join()


def _spare_the_collector() -> None:
    """Let the garbage collector forget what the server is made of.

    A full collection walks the half million objects of imported modules, and every answer waits
    for it: 0.2 s, the 99th percentile of answers (benchmark P8).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def _servers(services: Services, pages: Iterable[APIRouter]) -> list[uvicorn.Server]:
    config, figures = services.config, Metrics(services)
    if config.admin_port is None:
        return [_server(services, "everything", config.port, figures, pages)]
    return [
        _server(services, "tenants", config.port, figures, pages),
        _server(services, "operator", config.admin_port, figures),
    ]


def _server(
    services: Services,
    part: Part,
    port: int,
    figures: Metrics,
    pages: Iterable[APIRouter] = (),
) -> uvicorn.Server:
    config = services.config
    settings = uvicorn.Config(
        create_app(services, part=part, figures=figures, pages=pages),
        host=config.host,
        port=port,
        ssl_certfile=config.tls_certificate,
        ssl_keyfile=config.tls_key,
        proxy_headers=config.behind_proxy,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=_SECONDS_TO_FINISH,
        limit_concurrency=1000,
    )
    return uvicorn.Server(settings)
