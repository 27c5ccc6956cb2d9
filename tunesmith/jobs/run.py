"""Where the two halves meet: `python -m tunesmith.jobs.run JOB_FOLDER`.

The folder's `job.json` in, events and an outcome in the same folder out, an exit code. Every
backend starts exactly this; a foreground command calls `run_job` in its own process.
"""

import argparse
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tunesmith.errors import Stopped, TunesmithError
from tunesmith.events import Emit, Event, EventLog, RunFinished, RunPaused
from tunesmith.failpoints import failpoint
from tunesmith.jobs.failures import event_of, failure_of
from tunesmith.jobs.folder import EVENTS, Outcome, locked, read_outcome, write_outcome
from tunesmith.jobs.spec import JobSpec, read_spec
from tunesmith.jobs.stages import Surroundings, run_stage
from tunesmith.stopping import StopNow, StopSignal, stop_on_signals, tether

if TYPE_CHECKING:
    from tunesmith.training.plan import TrainingPlan


def run_job(
    folder: Path, *, listener: Emit = lambda event: None, plan: "TrainingPlan | None" = None
) -> Outcome:
    """Run the job of `folder` to its end, holding its lock; `listener` hears every event as well.

    A job that is done returns at once. SIGINT and SIGTERM stop the work: a training after the
    current step with a checkpoint, everything else at once. `plan` saves planning again what the
    caller has planned just before.

    Raises:
        NotFound: there is no job in `folder`.
        RecipeInvalid: it is not a job that this version knows.
        ResumeRefused: another process runs this job.
        Stopped: stopped by a signal, resumable.
        TunesmithError: whatever the stage raises.
        Exception: nobody foresaw it; the last event says that this is a defect.
    """
    job = read_spec(folder)
    with locked(folder), stop_on_signals() as stop:
        done = read_outcome(folder)
        if done is not None:
            return done
        failpoint("job.before_stage")
        log = EventLog(folder / EVENTS)

        def tell(event: Event) -> None:
            with stop.deferred():  # or a stop might come between a line and its number
                log(event)
                listener(event)

        try:
            return _work(job, folder, stop, tell=tell, plan=plan)
        finally:
            log.close()


def _work(
    job: JobSpec, folder: Path, stop: StopSignal, *, tell: Emit, plan: "TrainingPlan | None"
) -> Outcome:
    """Run the stage; the last event says how it ended."""

    def emit(event: Event) -> None:
        tell(event)
        stop.check()

    try:
        outcome = run_stage(job, Surroundings(folder, emit, stop, plan))
    except Stopped:
        raise  # the stage has told it
    except StopNow:
        tell(RunPaused(step=None))
        raise
    except Exception as error:
        failure = failure_of(error, kind=job.kind)
        with suppress(OSError):  # a full disk may not even hold these words; the exit code does
            tell(event_of(error, failure))
        if failure is None or failure is error:
            raise
        raise failure from error
    with stop.deferred():
        # In this order, so that the event is there wherever the outcome is.
        tell(RunFinished(artifact=outcome.artifact, digest=outcome.digest))
        failpoint("job.before_outcome")
        write_outcome(folder, outcome)
        failpoint("job.after_outcome")
    return outcome


def main() -> int:
    """Run the job folder named on the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tunesmith.jobs.run", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder with job.json")
    parser.add_argument(
        "--tethered", action="store_true", help="end at once when standard input is closed"
    )
    arguments = parser.parse_args()
    if arguments.tethered:
        tether()
    try:
        run_job(arguments.folder)
    except TunesmithError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
