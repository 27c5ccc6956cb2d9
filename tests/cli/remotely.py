"""The command line against a server, as from another machine."""

import sys
from pathlib import Path

from tests.api.serving import Served
from tests.cli.command import environment_for
from tests.forks import Outcome, run_forked
from tunesmith.cli.main import run


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tunesmith.cli.main", *map(str, arguments)]


def environment(served: Served) -> dict[str, str]:
    """Somewhere else than on the server: a home of its own, of which nothing is needed."""
    here = environment_for(served.home.parent / "elsewhere")
    return here | {"TUNESMITH_SERVER": served.address, "TUNESMITH_KEY": served.key}


def remote(served: Served, *arguments: str | Path, typed: str = "", **variables: str) -> Outcome:
    here = environment(served) | variables
    return run_forked(run, *map(str, arguments), environment=here, typed=typed)
