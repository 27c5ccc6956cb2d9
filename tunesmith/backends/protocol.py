"""What a worker asks of the place where its jobs run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tunesmith.store.claims import Room

LOG = "log.txt"  # what a job's process prints, within its folder


@dataclass(frozen=True)
class Ended:
    """How a job's process ended: its exit code, or minus the signal that killed it."""

    code: int

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it: nobody's wish, or the system's for want of memory."""
        return self.code < 0


class Execution(Protocol):
    """A job at work."""

    def ended(self) -> Ended | None:
        """How it ended, None while it works."""
        ...

    def stop(self) -> None:
        """Ask it to save a checkpoint and end."""
        ...

    def allow(self, memory_bytes: int) -> None:
        """Let an engine take so much memory in all."""
        ...

    def kill(self) -> None:
        """End it at once, with all processes that it started; it is gone on return."""
        ...


class Backend(Protocol):
    """Starts jobs."""

    def start(self, folder: Path, *, room: Room) -> Execution:
        """Start the job of `folder` in at most `room`.

        Whoever still works in the folder, for a worker that lost the job, is ended first.
        """
        ...

    def start_engine(self, folder: Path, *, room: Room) -> Execution:
        """Start the engine of `folder` likewise; how much it may take can change."""
        ...
