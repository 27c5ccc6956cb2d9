"""Where a worker's engines listen."""

import errno
import random
import socket
from contextlib import closing

from tunesmith.errors import RecipeInvalid

# Below those that Linux gives to outgoing connections, one of which might be faster than an engine.
_PORTS = range(20_000, 30_000)
_ATTEMPTS = 100


def free_port(host: str) -> int:
    """A port at `host` that nobody listens on.

    Raises:
        RecipeInvalid: `host` is no address of this machine alone, or has no port left.
    """
    if host in ("0.0.0.0", "::"):
        raise RecipeInvalid(
            f"engine_host {host} is every address of this machine and leads servers to none",
            hint="set the one under which they reach this worker",
        )
    for port in random.sample(_PORTS, _ATTEMPTS):
        try:
            with closing(socket.create_server((host, port), family=_family(host))):
                return port
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            raise RecipeInvalid(
                f"engine_host {host} cannot be listened on: {error.strerror}",
                hint="set an address of this machine, or none where the server is on it too",
            ) from error
    raise RecipeInvalid(f"engine_host {host} has no free port of {_PORTS.start} to {_PORTS[-1]}")


def engine_address(host: str, port: int) -> str:
    """What a server calls."""
    return (
        f"http://[{host}]:{port}" if _family(host) == socket.AF_INET6 else f"http://{host}:{port}"
    )


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
