"""The command line against a server, as from another machine."""

import subprocess
import sys
from pathlib import Path

from tests.api.serving import Served
from tests.cli.command import Outcome, environment_for


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tunesmith.cli.main", *map(str, arguments)]


def environment(served: Served) -> dict[str, str]:
    """Somewhere else than on the server: a home of its own, of which nothing is needed."""
    here = environment_for(served.home.parent / "elsewhere")
    return here | {"TUNESMITH_SERVER": served.address, "TUNESMITH_KEY": served.key}


def remote(served: Served, *arguments: str | Path, typed: str = "", **variables: str) -> Outcome:
    done = subprocess.run(
        command(*arguments),
        input=typed,
        capture_output=True,
        text=True,
        env=environment(served) | variables,
        check=False,
        timeout=110,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)
