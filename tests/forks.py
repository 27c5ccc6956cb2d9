"""Processes that begin with everything imported: children of a server that did it once.

Importing is most of what commands take in tests: a second of the processor for one against a
server, six for one that trains. What comes then is done by a process of its own as ever.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

# Python has one such server for each process, and one list of what it imports: whoever forks takes
# it from here. It has started none of the threads that a child would miss.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.preloaded"])

_STREAMS = ("stdin", "stdout", "stderr")


@dataclass(frozen=True)
class Outcome:
    """What a command printed and returned."""

    code: int | None
    out: str
    err: str


def run_forked(
    command: Callable[[], object],
    *arguments: str,
    environment: Mapping[str, str],
    typed: str = "",
    cwd: Path | None = None,
    seconds: float = 110,
) -> Outcome:
    """Let `command` run as the main function of a process with these arguments."""
    with TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in _STREAMS]
        streams[0].write_text(typed, "utf-8")
        process = PROCESSES.Process(
            target=_be_command, args=(command, arguments, dict(environment), streams, cwd)
        )
        process.start()
        process.join(seconds)
        if process.is_alive():
            process.kill()
            process.join()
            raise AssertionError(f"{arguments} hangs: {streams[2].read_text('utf-8')}")
        return Outcome(process.exitcode, *(path.read_text("utf-8") for path in streams[1:]))


def _be_command(
    command: Callable[[], object],
    arguments: tuple[str, ...],
    environment: dict[str, str],
    streams: list[Path],
    cwd: Path | None,
) -> None:
    for number, path in enumerate(streams):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), number)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd or os.getcwd())
    sys.argv = ["tunesmith", *arguments]
    command()
