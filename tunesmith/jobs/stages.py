"""The stages by kind of job. Their code, and torch with most of it, is imported when one is run."""

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tunesmith.data.job import ImportJob, MixJob, PreviewJob
from tunesmith.errors import NotEnoughMemory
from tunesmith.evaluation.job import CompareJob, EvaluateJob
from tunesmith.events import Emit
from tunesmith.jobs.folder import EVENTS, Outcome
from tunesmith.jobs.spec import JobSpec
from tunesmith.modeling.job import PullJob
from tunesmith.schema import as_json
from tunesmith.serving.job import RegisterJob
from tunesmith.stopping import StopSignal
from tunesmith.training.job import RESULT, PreflightJob, TrainJob

if TYPE_CHECKING:
    from tunesmith.training.plan import TrainingPlan


@dataclass(frozen=True)
class Surroundings:
    """What a stage works with beside its job.

    Attributes:
        folder: the job's.
        emit: takes its events.
        stop: interrupts it, unless it defers that.
        plan: of a training, where the caller has planned it just before.
    """

    folder: Path
    emit: Emit
    stop: StopSignal
    plan: "TrainingPlan | None" = None


def run_stage(job: JobSpec, around: Surroundings) -> Outcome:
    """Do what `job` says. Called again after an interruption, a stage goes on or begins anew."""
    return STAGES[job.kind](job, around)


# Below it torch and transformers do not load, and may crash instead of saying so. Measured: 0.4 GB.
_BYTES_TO_LOAD = 400_000_000


def _check_limit() -> None:
    """Refuse a limit under which libraries would end in a crash rather than an error.

    Raises:
        NotEnoughMemory: the process may not have as much as they take.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    if limit != resource.RLIM_INFINITY and limit < _BYTES_TO_LOAD:
        raise NotEnoughMemory(
            f"the job may use {limit / 1e9:.1f} GB of memory, loading torch alone takes "
            f"{_BYTES_TO_LOAD / 1e9:.1f} GB",
            hint="give the job more memory",
        )


def _train(job: TrainJob, around: Surroundings) -> Outcome:
    _check_limit()
    from tunesmith.training.stage import run_training
    from tunesmith.training.trackers.follow import tracking

    with tracking(job, around.folder, events=around.folder / EVENTS, emit=around.emit) as emit:
        manifest = run_training(job, around.folder, emit=emit, stop=around.stop, plan=around.plan)
    return Outcome(kind=job.kind, artifact=str(around.folder / RESULT), digest=manifest.digest)


def _import(job: ImportJob, around: Surroundings) -> Outcome:
    from tunesmith.data.importing import run_import

    version = run_import(job, emit=around.emit)
    return Outcome(
        kind=job.kind,
        artifact=str(version.folder),
        digest=version.id,
        value={"existed": version.existed},
    )


def _pull(job: PullJob, around: Surroundings) -> Outcome:
    from tunesmith.modeling.pull import run_pull

    pulled = run_pull(job, emit=around.emit)
    return Outcome(kind=job.kind, artifact=str(pulled.folder), digest=pulled.manifest.digest)


def _register(job: RegisterJob, around: Surroundings) -> Outcome:
    _check_limit()
    from tunesmith.serving.register import run_register

    folder = around.folder / RESULT
    manifest = run_register(job, folder, emit=around.emit)
    return Outcome(kind=job.kind, artifact=str(folder), digest=manifest.digest)


def _preflight(job: PreflightJob, around: Surroundings) -> Outcome:
    _check_limit()
    from tunesmith.training.plan import plan_training
    from tunesmith.training.preflight import check_plan

    plan = plan_training(job.run, runs=around.folder.parent, emit=around.emit)
    report = check_plan(job.run, plan, emit=around.emit)
    return Outcome(kind=job.kind, value=as_json(report))


def _preview(job: PreviewJob, around: Surroundings) -> Outcome:
    from tunesmith.data.preview import preview_dataset

    return Outcome(kind=job.kind, value=as_json(list(preview_dataset(job))))


def _mix(job: MixJob, around: Surroundings) -> Outcome:
    from tunesmith.data.mixing import run_mix

    mixture = run_mix(job, emit=around.emit)
    shares = {"task": as_json(mixture.task), "general": as_json(mixture.general)}
    value = {"ratio": mixture.ratio, **shares}
    if mixture.made is None:
        return Outcome(kind=job.kind, value=value)
    folder = str(mixture.made.folder)
    return Outcome(kind=job.kind, artifact=folder, digest=mixture.made.id, value=value)


def _compare(job: CompareJob, around: Surroundings) -> Outcome:
    _check_limit()
    from tunesmith.evaluation.comparison import run_comparison

    folder = around.folder / RESULT
    manifest, comparison = run_comparison(job, folder, emit=around.emit)
    return Outcome(
        kind=job.kind,
        artifact=str(folder),
        digest=manifest.digest,
        value={"totals": as_json(comparison.totals)},
    )


def _evaluate(job: EvaluateJob, around: Surroundings) -> Outcome:
    _check_limit()
    from tunesmith.evaluation.evaluation import run_evaluation

    folder = around.folder / RESULT
    manifest, results = run_evaluation(job, folder, emit=around.emit)
    return Outcome(
        kind=job.kind,
        artifact=str(folder),
        digest=manifest.digest,
        value={"figures": as_json(results.figures)},
    )


STAGES: Mapping[str, Callable[[Any, Surroundings], Outcome]] = {
    "train": _train,
    "import": _import,
    "pull": _pull,
    "register": _register,
    "preflight": _preflight,
    "preview": _preview,
    "mix": _mix,
    "compare": _compare,
    "evaluate": _evaluate,
}
