"""What a job folder holds, and who is working in it. Torch-free."""

import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue, ValidationError

from tunesmith.artifacts import read_manifest, write_json
from tunesmith.errors import ResumeRefused
from tunesmith.schema import Strict
from tunesmith.stopping import end_process

JOB, EVENTS, LOCK, OUTCOME = "job.json", "events.jsonl", "lock", "outcome.json"


class Outcome(Strict):
    """What came of a job, for whoever started it; in its folder once the job is done.

    Attributes:
        kind: the job's.
        artifact: the folder that was committed, None where there is none.
        digest: the identity of its content.
        value: what the job was asked to find out, or has to say beside the artifact.
    """

    kind: str
    artifact: str | None = None
    digest: str = ""
    value: JsonValue = None


def write_outcome(folder: Path, outcome: Outcome) -> None:
    """Keep `outcome`, durable on return."""
    write_json(folder / OUTCOME, outcome.model_dump(mode="json"))


def read_outcome(folder: Path) -> Outcome | None:
    """What came of the job of `folder`; None if it is not done, or its artifact is gone."""
    try:
        outcome = Outcome.model_validate_json((folder / OUTCOME).read_text("utf-8"))
    except (FileNotFoundError, ValidationError):
        return None
    gone = outcome.artifact is not None and read_manifest(Path(outcome.artifact)) is None
    return None if gone else outcome


# --- the lock --------------------------------------------------------------------------------

_POLL_SECONDS = 0.05
_ATTEMPTS = 10  # `is_locked` elsewhere may hold the lock for the blink of its question


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
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)  # for `evict`
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int, *, attempts: int) -> bool:
    for attempt in range(attempts):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_POLL_SECONDS if attempt + 1 < attempts else 0)
    return False


def is_locked(folder: Path) -> bool:
    """Whether a living process works in `folder`."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        return not _try_lock(descriptor, attempts=1)
    finally:
        os.close(descriptor)


def evict(folder: Path, *, patience_seconds: float = 10.0) -> None:
    """End whoever works in `folder`, on this machine, as `kill -9` would; return when it is free.

    For the new owner of a job whose former worker hangs: what the former process might still do is
    over, and what it had made durable is taken up again.

    Raises:
        ResumeRefused: the lock did not come free in time.
    """
    deadline = time.monotonic() + patience_seconds
    suspect = None
    while is_locked(folder):
        if time.monotonic() > deadline:
            raise ResumeRefused(
                f"the process that runs {folder.name} does not end",
                hint="end it by hand, then try again",
            )
        holder = _holder(folder)
        # Read twice: whoever has just taken the lock may not have written its own number yet.
        if holder is not None and holder == suspect:
            end_process(holder)
        suspect = holder
        time.sleep(_POLL_SECONDS)


def _holder(folder: Path) -> int | None:
    written = (folder / LOCK).read_text("ascii")
    return int(written) if written.isdigit() else None
