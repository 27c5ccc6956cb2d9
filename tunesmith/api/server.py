"""The server process."""

import ipaddress
import logging
import threading

import uvicorn

from tunesmith.api.app import Part, create_app
from tunesmith.api.metrics import Metrics
from tunesmith.errors import RecipeInvalid
from tunesmith.service.config import ServiceConfig
from tunesmith.service.outbox import dispatching
from tunesmith.service.services import Services

_SECONDS_TO_FINISH = 3  # for answers under way when the server is asked to stop


def check_exposure(config: ServiceConfig) -> None:
    """Refuse to listen to the world in the clear.

    Raises:
        RecipeInvalid: beyond loopback without TLS or a proxy that terminates it, or half of TLS.
    """
    if (config.tls_certificate is None) != (config.tls_key is None):
        raise RecipeInvalid("TLS needs both tls_certificate and tls_key")
    if _is_loopback(config.host) or config.tls_certificate is not None or config.behind_proxy:
        return
    raise RecipeInvalid(
        f"host {config.host} can be reached by others, and nothing encrypts what they send",
        hint="set tls_certificate and tls_key, or behind_proxy if a proxy does that",
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(config: ServiceConfig) -> str:
    """Where people find the service."""
    scheme = "https" if config.tls_certificate is not None else "http"
    return f"{scheme}://{config.host}:{config.port}"


def serve(services: Services) -> None:
    """Answer requests and send messages until SIGTERM or SIGINT.

    The operator's routes are on a port of their own if one is set.

    Raises:
        RecipeInvalid: the settings would expose it in the clear.
    """
    config = services.config
    check_exposure(config)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    with dispatching(services):
        if config.admin_port is None:
            _server(services, "everything", config.port, Metrics(services)).run()
        else:
            _serve_apart(services, config.admin_port)


def _serve_apart(services: Services, admin_port: int) -> None:
    figures = Metrics(services)
    operators = _server(services, "operator", admin_port, figures)
    thread = threading.Thread(target=operators.run, name="operator's port", daemon=True)
    thread.start()
    try:
        _server(services, "tenants", services.config.port, figures).run()
    finally:
        operators.should_exit = True
        thread.join()


def _server(services: Services, part: Part, port: int, figures: Metrics) -> uvicorn.Server:
    config = services.config
    settings = uvicorn.Config(
        create_app(services, part=part, figures=figures),
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
