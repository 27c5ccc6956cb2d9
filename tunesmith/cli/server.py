"""`tunesmith up`, `server` and `worker`: the service's processes."""

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tunesmith.cli.loading import loading

if TYPE_CHECKING:
    from tunesmith.service.services import Services

Config = Annotated[
    Path | None,
    typer.Option("--config", help="Settings, a YAML file; TUNESMITH_* variables win."),
]
Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on.", min=0, max=65535)]
Tethered = Annotated[
    bool, typer.Option("--tethered", hidden=True, help="End when standard input is closed.")
]


def up(config: Config = None, host: Host = None, port: Port = None) -> None:
    """Start the service on this machine: API, console and one worker."""
    with loading():
        from tunesmith.api.server import serve
        from tunesmith.console.routes import ROUTERS

        services = _open(config, host=host, port=port)
    _print_welcome(services)
    stopping = threading.Event()
    worker = threading.Thread(target=_keep_worker, args=(config, stopping), daemon=True)
    worker.start()
    try:
        serve(services, pages=ROUTERS)
    finally:
        stopping.set()
        worker.join()


def server(config: Config = None, host: Host = None, port: Port = None) -> None:
    """Start API and console without a worker."""
    with loading():
        from tunesmith.api.server import serve
        from tunesmith.console.routes import ROUTERS

        services = _open(config, host=host, port=port)
    _print_welcome(services)
    serve(services, pages=ROUTERS)


def worker(config: Config = None, tethered: Tethered = False) -> None:
    """Start a worker, which runs jobs of the queue until it is stopped.

    On Ctrl-C its jobs save checkpoints and go back into the queue.
    """
    from tunesmith.backends.local import LocalBackend
    from tunesmith.cli.stopping import stop_requested
    from tunesmith.service.budget import Budget
    from tunesmith.service.engine_address import free_port
    from tunesmith.service.keeper import Keeper, keeping
    from tunesmith.service.worker import WorkerLoop, inference_share, machine_size

    services = _open(config)
    free_port(services.config.engine_host)  # what is wrong there is said now, not with an engine
    with stop_requested(tethered=tethered) as should_stop:
        backend = LocalBackend(pass_on=services.config.job_environment)
        size = machine_size(services)
        loop = WorkerLoop(services, backend, size, inference_bytes=inference_share(services, size))
        budget = Budget(loop.id, loop.inference_bytes)
        loop.engine_bytes = lambda: budget.held
        with keeping(Keeper(services, backend, budget, num_cores=size.num_cores)):
            loop.run(should_stop)


def _open(config: Path | None, *, host: str | None = None, port: int | None = None) -> "Services":
    from tunesmith.api.logs import configure_logs
    from tunesmith.service.config import load_config
    from tunesmith.service.services import open_services
    from tunesmith.store.home import open_home

    configure_logs()
    os.umask(0o077)  # what the service keeps is for its own user alone
    given = {"TUNESMITH_HOST": host, "TUNESMITH_PORT": None if port is None else str(port)}
    chosen = {name: value for name, value in given.items() if value is not None}
    settings = load_config(config, environment={**os.environ, **chosen})
    return open_services(settings, open_home())


def _print_welcome(services: "Services") -> None:
    from tunesmith.api.server import address, check_exposure
    from tunesmith.cli import show
    from tunesmith.console.assets import libraries_are_here
    from tunesmith.service.people import ensure_setup_secret, setup_secret_file

    check_exposure(services.config)
    rows = [("address", address(services.config))]
    if ensure_setup_secret(services) is not None:
        path = setup_secret_file(services.installation)
        rows.append(("first owner", f"make one with the one-time secret in {path}"))
    if not libraries_are_here():
        rows.append(("console", "not fetched yet: run `make console` in the clone"))
    show.figures(rows, title="Tunesmith is starting")


def _keep_worker(config: Path | None, stopping: threading.Event) -> None:
    """Run a worker as a process of its own, and a new one whenever it dies."""
    command = [sys.executable, "-m", "tunesmith.cli.main", "worker", "--tethered"]
    if config is not None:
        command += ["--config", str(config)]
    while not stopping.is_set():
        process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        while process.poll() is None and not stopping.wait(0.5):
            pass
        if process.stdin is not None:
            process.stdin.close()  # the tether: it lets its jobs save checkpoints, then ends
        process.wait()
        stopping.wait(1.0)
