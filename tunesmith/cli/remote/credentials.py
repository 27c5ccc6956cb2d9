"""Which server to talk to and with which key: options, variables, or what a login kept."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tunesmith.errors import LoginRequired

SERVER, KEY = "TUNESMITH_SERVER", "TUNESMITH_KEY"


@dataclass(frozen=True)
class Credentials:
    """A server and a key for it; the key is in no repr, for tracebacks are shown around."""

    server: str
    key: str

    def __repr__(self) -> str:
        return f"Credentials({self.server!r})"


def chosen_server() -> str | None:
    """The server that commands run against; None is this machine."""
    return os.environ.get(SERVER, "").rstrip("/") or None


def find_credentials() -> Credentials:
    """The chosen server, by default the one of the last login, and the key for it.

    Raises:
        LoginRequired: no server is known, or no key for it.
    """
    kept = _read()
    server = chosen_server() or next(reversed(kept), None)
    if server is None:
        raise LoginRequired("no server is named", hint="tunesmith login --server https://...")
    key = os.environ.get(KEY) or kept.get(server)
    if not key:
        raise LoginRequired(
            f"there is no key for {server}", hint=f"tunesmith login --server {server}"
        )
    return Credentials(server, key)


def keep(credentials: Credentials) -> Path:
    """Keep a key in a file that only its user can read; the last one kept is the default."""
    from tunesmith.artifacts import write_durably  # --help need not load it

    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = _read()
    kept.pop(credentials.server, None)
    kept[credentials.server] = credentials.key
    write_durably(path, json.dumps(kept, indent=2), mode=0o600)
    return path


def _read() -> dict[str, str]:
    try:
        return cast("dict[str, str]", json.loads(_file().read_text("utf-8")))
    except FileNotFoundError:
        return {}


def _file() -> Path:
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "tunesmith" / "keys.json"
