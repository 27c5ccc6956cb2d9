"""`tunesmith serve` as a user runs it."""

import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.command import environment_for


@contextmanager
def foreground(home: Path, *arguments: str) -> Generator[str]:
    """The address of a server in the foreground, which Ctrl-C ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tunesmith.cli.main", "serve", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**environment_for(home), "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        address = next(line.split()[1] for line in lines if line.startswith("address"))
        yield address
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
