"""A job in a worker's hands, and what it means when its process ends without a result."""

import signal
from dataclasses import dataclass

from tunesmith.backends.protocol import Ended, Execution
from tunesmith.service.progress import ProgressReader
from tunesmith.store.claims import Room
from tunesmith.store.tables import Job, Wish
from tunesmith.store.transitions import Lease

_STOPPED = 130  # the exit code of a job that was asked to stop and can go on


@dataclass
class HeldJob:
    """A job in this worker's hands."""

    job: Job
    lease: Lease
    room: Room
    execution: Execution
    progress: ProgressReader
    since: float  # by the monotonic clock
    wish: Wish | None = None
    asked_to_stop: bool = False
    ended: Ended | None = None

    def stop(self) -> None:
        """Ask its process to end with a checkpoint, once.

        A second signal could come when the process no longer heeds it, and kill it.
        """
        if not self.asked_to_stop:
            self.asked_to_stop = True
            self.execution.stop()

    @property
    def has_stopped(self) -> bool:
        """Whether it ended since it was asked to; a process that only begins dies of the signal."""
        return self.ended == Ended(_STOPPED) or (
            self.asked_to_stop and self.ended == Ended(-signal.SIGTERM)
        )


def killed_by(number: int) -> dict[str, str]:
    """The error of a job whose process a signal ended. SIGKILL is the system's, for memory."""
    if number == signal.SIGKILL:
        return {
            "reason": "out_of_memory",
            "message": "the system ended the job with SIGKILL",
            "hint": "the usual cause is memory: lower training.batch_size or data.max_length, "
            "or give the job more",
        }
    return {
        "reason": "defect",
        "message": f"the job was ended by {signal.Signals(number).name}",
        "hint": "its log may show why; libraries may crash so where memory is short: "
        "give the job more",
    }


def silent(code: int) -> dict[str, str]:
    """The error of a job that failed without a word, such as where the disk has no room for it."""
    return {
        "reason": "defect",
        "message": f"the job ended with exit code {code} and said nothing",
        "hint": "its log shows where",
    }
