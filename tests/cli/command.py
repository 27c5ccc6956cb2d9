"""The real command in a real process."""

import os
from pathlib import Path

from tests.forks import Outcome, run_forked
from tunesmith.cli.main import run


def environment_for(home: Path) -> dict[str, str]:
    """One thread: two that share a busy core wait for each other ten times as long as they work."""
    settings = {"TUNESMITH_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120"}
    return {**os.environ, **settings, "OMP_NUM_THREADS": "1"}


def tunesmith(*arguments: str | Path, home: Path, cwd: Path | None = None) -> Outcome:
    """Run `tunesmith` with `arguments` on the installation `home`."""
    return run_forked(run, *map(str, arguments), environment=environment_for(home), cwd=cwd)


def files_below(folder: Path) -> set[str]:
    """Every path below `folder`, to see what a command left behind."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
