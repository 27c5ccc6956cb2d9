"""Where the two halves meet: `python -m tunesmith.jobs.run JOB_FOLDER`.

The folder's `job.json` in, events and an artifact in the same folder out, an exit code. Every
backend starts exactly this; a foreground command calls `run_job` in its own process.
"""

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from tunesmith.artifacts import Manifest
from tunesmith.errors import RunFailed, Stopped, TunesmithError
from tunesmith.events import Emit, Event, EventLog, RunErred
from tunesmith.jobs.folder import EVENTS, JOB, locked
from tunesmith.training.job import TrainJob
from tunesmith.training.plan import TrainingPlan
from tunesmith.training.stage import run_training


def run_job(
    folder: Path, *, listener: Emit = lambda event: None, plan: TrainingPlan | None = None
) -> Manifest:
    """Run the job of `folder` to its end, holding its lock; `listener` hears every event as well.

    SIGINT and SIGTERM stop it after the current step with a checkpoint. `plan` saves planning again
    what the caller has planned just before.

    Raises:
        ResumeRefused: another process runs this job.
        Stopped: stopped by a signal, resumable.
        TunesmithError: whatever the stage raises.
        RunFailed: there was not enough memory after all, or torch failed.
        OSError: the disk failed in another way than being full.
    """
    job = TrainJob.model_validate_json((folder / JOB).read_text("utf-8"))
    with locked(folder), _stop_on_signals() as should_stop:
        log = EventLog(folder / EVENTS)

        def emit(event: Event) -> None:
            log(event)
            listener(event)

        try:
            return run_training(job, folder, emit=emit, should_stop=should_stop, plan=plan)
        except Stopped:
            raise
        except TunesmithError as error:
            emit(RunErred(error=type(error).__name__, message=error.message, hint=error.hint))
            raise
        except (MemoryError, RuntimeError) as error:
            failed = _as_failure(error)
            emit(RunErred(error=type(failed).__name__, message=failed.message, hint=failed.hint))
            raise failed from error
        finally:
            log.close()


def _as_failure(error: MemoryError | RuntimeError) -> RunFailed:
    """What torch could not do, in our words; its CPU allocator says 'no memory' as text only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate" in str(error):
        return RunFailed(
            "the machine ran out of memory",
            hint="lower training.batch_size (and raise gradient_accumulation) or data.max_length",
        )
    return RunFailed(f"torch failed: {str(error).strip().splitlines()[0]}")


@contextmanager
def _stop_on_signals() -> Generator[Callable[[], bool]]:
    stopped = False

    def stop(signum: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a second Ctrl-C ends it at once

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> int:
    """Run the job folder named on the command line; return the exit code."""
    try:
        run_job(Path(sys.argv[1]))
    except TunesmithError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
