"""The trackers that metrics can be sent to. A tracker's package is imported when it is used."""

# None of these packages ships types that strict checking accepts, and most are not installed.
# pyright: reportMissingImports=false, reportMissingTypeStubs=false

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from tunesmith.errors import RecipeInvalid
from tunesmith.training.config import TrackerConfig


@dataclass(frozen=True)
class TrackedRun:
    """A run as its trackers know it.

    Attributes:
        id: found again by it when the run is resumed.
        name: for people.
        folder: for what a tracker keeps in files.
        recipe: its settings.
    """

    id: str
    name: str
    folder: Path
    recipe: dict[str, Any]


class Sink(Protocol):
    """One run in one tracker, opened to go on with it."""

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step; steps never go back."""
        ...

    def flush(self) -> None:
        """Take care that what was logged is not lost when this process is killed."""
        ...

    def close(self, *, finished: bool) -> None:
        """End, for good or until the run goes on."""
        ...


class _Tensorboard:
    def __init__(self, config: Any, run: TrackedRun) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(run.folder / "tensorboard"))

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def flush(self) -> None:
        self._writer.flush()

    def close(self, *, finished: bool) -> None:
        self._writer.close()


class _Mlflow:
    def __init__(self, config: Any, run: TrackedRun) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = MlflowClient(tracking_uri=config.uri)
        known = self._client.get_experiment_by_name(config.project)
        experiment = (
            known.experiment_id if known else self._client.create_experiment(config.project)
        )
        found = self._client.search_runs([experiment], f"tags.tunesmith_run = '{run.id}'")
        if found:
            self._run_id = found[0].info.run_id
            self._client.update_run(self._run_id, status="RUNNING")
        else:
            tags = {"tunesmith_run": run.id}
            created = self._client.create_run(experiment, run_name=run.name, tags=tags)
            self._run_id = created.info.run_id
            recipe = [Param(name, str(value)) for name, value in run.recipe.items()]
            self._client.log_batch(self._run_id, params=recipe)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        self._client.log_batch(self._run_id, metrics=metrics)

    def flush(self) -> None:
        pass  # each call has reached the server

    def close(self, *, finished: bool) -> None:
        self._client.set_terminated(self._run_id, "FINISHED" if finished else "KILLED")


class _Trackio:
    def __init__(self, config: Any, run: TrackedRun) -> None:
        import trackio

        name = f"{run.name} {run.id}"
        self._run = trackio.init(
            config.project,
            name=name,
            config=run.recipe,
            resume="allow",
            auto_log_cpu=False,
            auto_log_gpu=False,
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        pass  # its own thread writes every half second

    def close(self, *, finished: bool) -> None:
        self._run.finish()


class _Wandb:
    def __init__(self, config: Any, run: TrackedRun) -> None:
        import wandb

        server = {"base_url": config.uri} if config.uri else {}
        self._run = wandb.init(
            project=config.project,
            id=run.id,
            name=run.name,
            config=run.recipe,
            resume="allow",
            dir=str(run.folder),
            settings=wandb.Settings(silent=True, console="off", **server),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def flush(self) -> None:
        pass  # its process writes 32 kB at a time and cannot be asked for less

    def close(self, *, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)


class _Comet:
    def __init__(self, config: Any, run: TrackedRun) -> None:
        import comet_ml

        key = hashlib.sha256(run.id.encode()).hexdigest()[:40]
        self._experiment = comet_ml.start(
            project_name=config.project, experiment_key=key, mode="get_or_create"
        )
        self._experiment.set_name(run.name)
        self._experiment.log_parameters(run.recipe)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        self._experiment.log_metrics(dict(values), step=step)

    def flush(self) -> None:
        self._experiment.flush()

    def close(self, *, finished: bool) -> None:
        self._experiment.end()


@dataclass(frozen=True)
class Tracker:
    """How a tracker is opened, and the package that it needs."""

    package: str
    open: Callable[[Any, TrackedRun], Sink]


TRACKERS: Mapping[str, Tracker] = {
    "tensorboard": Tracker("tensorboard", _Tensorboard),
    "mlflow": Tracker("mlflow", _Mlflow),
    "trackio": Tracker("trackio", _Trackio),
    "wandb": Tracker("wandb", _Wandb),
    "comet": Tracker("comet_ml", _Comet),
}


def check_trackers(trackers: Sequence[TrackerConfig]) -> None:
    """Refuse a recipe whose trackers cannot be used here.

    Raises:
        RecipeInvalid: a tracker's package is not installed.
    """
    for tracker in trackers:
        if find_spec(TRACKERS[tracker.kind].package) is None:
            raise RecipeInvalid(
                f"trackers: {tracker.kind} is not installed where this run would train",
                hint=f"pip install 'tunesmith[{tracker.kind}]', or leave it out of the recipe",
            )
