"""`tunesmith setup` and `login`: a key for a server, kept for later commands."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tunesmith.cli.remote.server import Server

Address = Annotated[
    str | None, typer.Option("--server", help="Address of the server, https://HOST:PORT.")
]
Email = Annotated[str | None, typer.Option(help="Your e-mail; asked for if left out.")]


def setup(
    server: Address = None,
    email: Email = None,
    tenant: Annotated[str | None, typer.Option(help="Name of the first tenant.")] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(help="The file setup-secret of the server; on its own machine it is found."),
    ] = None,
) -> None:
    """Make the first owner of a fresh server. The password is asked for, or read from a pipe."""
    from tunesmith.cli import show
    from tunesmith.schema import read_text
    from tunesmith.service.people import setup_secret_file
    from tunesmith.store.home import open_home

    connection = _connection(server)
    secret = read_text(secret_file or setup_secret_file(open_home())).strip()
    body = {
        "secret": secret,
        "email": email or typer.prompt("e-mail"),
        "tenant": tenant or typer.prompt("tenant"),
        "password": _password(),
    }
    founded = connection.call("POST", "/setup", json=body)
    _keep(connection, founded["key"])
    show.say(f"the operator's key, shown this once: {founded['admin_key']}")


def login(
    server: Address = None,
    email: Email = None,
    tenant: Annotated[
        str | None, typer.Option(help="Which of your tenants; the first by default.")
    ] = None,
) -> None:
    """Log in and keep a key. The password is asked for, or read from a pipe."""
    import socket

    connection = _connection(server)
    body = {"email": email or typer.prompt("e-mail"), "tenant": tenant, "password": _password()}
    connection.call("POST", "/sessions", json=body)
    made = connection.call("POST", "/keys", json={"name": f"login at {socket.gethostname()}"})
    connection.call("DELETE", "/sessions/current")
    _keep(connection, made["secret"])


def _connection(address: str | None) -> "Server":
    from tunesmith.cli.remote.credentials import Credentials, chosen_server
    from tunesmith.cli.remote.server import Server

    chosen = address or chosen_server() or typer.prompt("server")
    return Server(Credentials(chosen.rstrip("/"), key=""))


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("password", hide_input=True))


def _keep(connection: "Server", key: str) -> None:
    from tunesmith.cli import show
    from tunesmith.cli.remote.credentials import Credentials, keep

    path = keep(Credentials(connection.address, key))
    show.say(f"logged in at {connection.address}; the key is in {path}")
