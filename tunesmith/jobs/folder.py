"""What a job folder holds, and who is working in it. Torch-free."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tunesmith.errors import ResumeRefused

JOB, EVENTS, LOCK = "job.json", "events.jsonl", "lock"


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Hold the lock of a job folder; the kernel lets go of it however the process dies.

    Raises:
        ResumeRefused: another process holds it.
    """
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _try_lock(descriptor, attempts=_ATTEMPTS):
            raise ResumeRefused(
                f"run {folder.name} is being run by another process", hint="wait for it, or stop it"
            )
        yield
    finally:
        os.close(descriptor)


_ATTEMPTS = 10  # 50 ms apart: `is_locked` elsewhere may hold the lock for the blink of its question


def _try_lock(descriptor: int, *, attempts: int) -> bool:
    for attempt in range(attempts):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.05 if attempt + 1 < attempts else 0)
    return False


def is_locked(folder: Path) -> bool:
    """Whether a living process works in `folder`."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        return not _try_lock(descriptor, attempts=1)
    finally:
        os.close(descriptor)
