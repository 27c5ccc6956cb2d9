"""The real command in a real process."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned."""

    code: int
    out: str
    err: str


def environment_for(home: Path) -> dict[str, str]:
    """One thread: two that share a busy core wait for each other ten times as long as they work."""
    settings = {"TUNESMITH_HOME": str(home), "NO_COLOR": "1", "COLUMNS": "120"}
    return {**os.environ, **settings, "OMP_NUM_THREADS": "1"}


def tunesmith(*arguments: str | Path, home: Path, cwd: Path | None = None) -> Outcome:
    """Run `tunesmith` with `arguments` on the installation `home`."""
    done = subprocess.run(
        [sys.executable, "-m", "tunesmith.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        env=environment_for(home),
        cwd=cwd,
        check=False,
        timeout=120,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def files_below(folder: Path) -> set[str]:
    """Every path below `folder`, to see what a command left behind."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
