"""What a job folder holds, and who is working in it. Torch-free."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.errors import ResumeRefused

JOB, EVENTS, LOCK = "job.json", "events.jsonl", "lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a job folder. The kernel lets go of it when the process dies, however it dies.

    Raises:
        ResumeRefused: another process holds it.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResumeRefused(
                f"run {folder.name} is being run by another process", hint="wait for it, or stop it"
            ) from None
        yield
    finally:
        os.close(descriptor)


def is_locked(folder: Path) -> bool:
    """Whether a living process works in `folder`."""
    try:
        with locked(folder):
            return False
    except ResumeRefused:
        return True
