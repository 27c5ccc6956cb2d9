"""`tunesmith backup` and `restore`: a whole installation, kept elsewhere."""

import os
from pathlib import Path
from typing import Annotated

import typer

from tunesmith.cli.server import Config


def backup(
    into: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    config: Config = None,
) -> None:
    """Copy database and files of this machine's service; it may go on working."""
    from tunesmith.cli import show
    from tunesmith.service.backups import back_up
    from tunesmith.service.config import load_config
    from tunesmith.store.home import open_home

    os.umask(0o077)  # it holds what the service keeps for its own user alone
    made = back_up(load_config(config), open_home(), into=into)
    num_bytes = sum(file.bytes for file in made.files.values())
    show.figures(
        [("folder", str(into)), ("files", str(len(made.files))), ("bytes", f"{num_bytes:,}")],
        title="backup is complete",
    )


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `tunesmith backup` made.")],
    config: Config = None,
) -> None:
    """Make this machine's service out of a backup; there may be none yet."""
    from tunesmith.cli import show
    from tunesmith.service import backups
    from tunesmith.service.config import load_config
    from tunesmith.store.home import open_home

    os.umask(0o077)
    home = open_home()
    made = backups.restore(load_config(config), home, source=source)
    show.figures(
        [("folder", str(home.folder)), ("files", str(len(made.files))), ("next", "tunesmith up")],
        title="the service is restored",
    )
