"""The server, for commands that have nothing to do on this machine."""

from tunesmith.cli.remote.credentials import find_credentials
from tunesmith.cli.remote.server import Server
from tunesmith.cli.remote.workspace import RemoteWorkspace


def connect() -> RemoteWorkspace:
    """The chosen server, by default the one of the last login."""
    return RemoteWorkspace(Server(find_credentials()))
