"""Settings of an installation, from a file and from TUNESMITH_* variables, which win."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import PositiveFloat, PositiveInt, SecretStr

from tunesmith.errors import RecipeInvalid
from tunesmith.schema import Strict, parse_yaml, read_text, setting, validate

_PREFIX = "TUNESMITH_"
_NO_SETTINGS = {_PREFIX + name for name in ("HOME", "KEY", "SERVER", "SERVE_KEY")}


class ServiceConfig(Strict):
    """How the service listens, what it stands on, and its limits."""

    host: str = setting("127.0.0.1", "address to listen on; others than loopback need TLS")
    port: int = setting(7860, "port of API and console", ge=0, le=65535)
    admin_port: int | None = setting(
        None, "a port of its own for the operator's routes; None serves them beside the others"
    )
    tls_certificate: Path | None = setting(None, "certificate chain, PEM")
    tls_key: Path | None = setting(None, "private key, PEM")
    behind_proxy: bool = setting(False, "a proxy in front terminates TLS")
    allowed_hosts: list[str] = setting(
        [], "further names under which browsers may reach the service, such as tune.example.org"
    )
    database: SecretStr | None = setting(
        None, "address of a PostgreSQL database; None is an SQLite file in the home folder"
    )
    max_upload_bytes: PositiveInt = setting(20_000_000_000, "largest uploaded file", unit="bytes")
    max_body_bytes: PositiveInt = setting(1_000_000, "largest other request body", unit="bytes")
    session_hours: PositiveFloat = setting(12.0, "how long a login lasts", unit="hours")
    max_queued: PositiveInt = setting(1000, "waiting jobs a tenant may have, if it has no own")
    metrics_token: SecretStr | None = setting(
        None, "who sends this as a bearer token may read /metrics; None is operators alone"
    )
    lease_seconds: PositiveFloat = setting(
        15.0, "a job whose worker gives no sign for so long is taken from it", unit="s"
    )
    pool: str = setting("default", "the pool that this machine's worker belongs to")
    worker_cores: PositiveInt | None = setting(None, "cores a worker offers; None is all")
    worker_memory: PositiveInt | None = setting(
        None, "memory a worker offers; None is nine tenths", unit="bytes"
    )
    inference_memory: PositiveInt | None = setting(
        None, "of a worker's memory, the most for deployed models; None is half", unit="bytes"
    )
    engine_host: str = setting(
        "127.0.0.1",
        "address of a worker under which servers elsewhere reach its deployed models; what they "
        "say to each other is not encrypted, so one of a private network",
        min_length=1,
    )
    job_environment: list[str] = setting(
        [], "variables that jobs may see beside the usual, such as WANDB_API_KEY"
    )
    allow_private_addresses: bool = setting(
        False, "imports and webhooks may connect to addresses of the local network"
    )


def load_config(path: Path | None, *, environment: Mapping[str, str] = os.environ) -> ServiceConfig:
    """The settings of `path`, overridden by variables such as TUNESMITH_PORT.

    Raises:
        NotFound: there is no such file.
        RecipeInvalid: naming the setting that is wrong.
    """
    values: dict[str, Any] = {}
    if path is not None:
        loaded = parse_yaml(read_text(path), source=str(path))
        if not isinstance(loaded, dict):
            raise RecipeInvalid(f"{path}: expected settings, such as port: 7860")
        values = cast("dict[str, Any]", loaded)
    _refuse_misspelt(environment)
    for name in ServiceConfig.model_fields:
        text = environment.get(_PREFIX + name.upper())
        if text is not None:
            values[name] = _from_variable(name, text)
    return validate(ServiceConfig, values, source=str(path or "TUNESMITH_* variables"))


def _refuse_misspelt(environment: Mapping[str, str]) -> None:
    """A variable that is nearly a setting would be silently off."""
    settings = [_PREFIX + name.upper() for name in ServiceConfig.model_fields]
    for name in environment:
        if not name.startswith(_PREFIX) or name in settings or name in _NO_SETTINGS:
            continue
        near = get_close_matches(name, settings, n=1, cutoff=0.85)
        if near:
            raise RecipeInvalid(f"{name} is no setting", hint=f"did you mean {near[0]}?")


def _from_variable(name: str, text: str) -> Any:
    # A password may hold anything, and YAML has its own ideas of some of it.
    kind = ServiceConfig.model_fields[name].annotation
    is_text = kind is str or SecretStr in get_args(kind)
    return text if is_text else parse_yaml(text, source=_PREFIX + name.upper())
