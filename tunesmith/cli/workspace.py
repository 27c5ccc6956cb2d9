"""Where commands do their work: on this machine, or on a server that does it for them.

`--server` or TUNESMITH_SERVER chooses. Both kinds give the same views, so that a command prints
what it got and need not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from tunesmith.cli.remote.credentials import chosen_server, find_credentials
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.errors import RecipeInvalid
from tunesmith.training.config import TrainConfig

if TYPE_CHECKING:
    from tunesmith.data.preview import ExampleView
    from tunesmith.service.dataset_versions import Deleted, DiffView, MixView
    from tunesmith.service.datasets import DatasetReport, DatasetView
    from tunesmith.service.models import InspectionView, ModelView
    from tunesmith.service.runs import RunDetails, RunView


@dataclass(frozen=True)
class ImportWish:
    """A source to import, and how to read it."""

    source: str
    name: str
    entry: str | None
    format: str | None
    mapping: dict[str, str]
    max_rejected_percent: float
    deduplicate: Deduplicate | None


@dataclass(frozen=True)
class TrainWish:
    """What `tunesmith train` asks for beside the recipe.

    Attributes:
        start_from: RUN or RUN@STEP whose weights to begin with.
        reuse: take a run of the same recipe, data and model if there is one.
        plan_only: print the preflight and stop.
        as_json: print it as JSON.
        folds: cross-validate with so many runs.
        notify: channels of the server that hear of the run.
    """

    start_from: str | None
    reuse: bool
    plan_only: bool
    as_json: bool
    folds: int | None
    notify: list[str]


class Workspace(Protocol):
    """What commands ask for; each raises a TunesmithError that says what is wrong."""

    def import_dataset(self, wish: ImportWish) -> "DatasetView":
        """Import a source, showing progress."""
        ...

    def list_datasets(self) -> "list[DatasetView]":
        """Dataset versions, newest first."""
        ...

    def report_on(self, dataset: str) -> "DatasetReport":
        """A version in full."""
        ...

    def delete_dataset(self, dataset: str) -> "Deleted":
        """Delete a dataset or one version."""
        ...

    def preview(
        self, dataset: str, config: TrainConfig, *, first: int, limit: int
    ) -> "list[ExampleView]":
        """Examples token by token."""
        ...

    def diff(self, older: str, newer: str) -> "DiffView":
        """Two versions compared."""
        ...

    def split(
        self, dataset: str, *, percent: int, seed: int, names: tuple[str, str]
    ) -> "Sequence[DatasetView]":
        """A version divided into two."""
        ...

    def mix(self, task: str, *, config: TrainConfig, name: str | None) -> "MixView":
        """What mixing comes to, or the mix as a dataset."""
        ...

    def export(self, dataset: str, into: Path, *, format: str, overwrite: bool) -> int:
        """Write a version as JSON Lines here; how many examples."""
        ...

    def list_models(self) -> "list[ModelView]":
        """Base models of the catalog."""
        ...

    def pull_model(self, name: str) -> str:
        """Fetch a base model; where it is then."""
        ...

    def inspect_model(
        self, model: str, *, method: str, rank: int, targets: str
    ) -> "InspectionView":
        """What a method would train."""
        ...

    def train(self, config: TrainConfig, wish: TrainWish) -> None:
        """Fine-tune, showing progress."""
        ...

    def list_runs(self) -> "list[RunView]":
        """Runs, newest first."""
        ...

    def show_run(self, run: str) -> "RunDetails":
        """A run in full."""
        ...

    def resume_run(self, run: str, recipe: Path | None, overrides: list[str]) -> None:
        """Go on with a run, showing progress."""
        ...

    def extend_run(self, run: str, *, epochs: int, name: str | None) -> None:
        """Train a finished run for more epochs, showing progress."""
        ...


def open_workspace() -> Workspace:
    """The server that was chosen, or this machine's home."""
    if chosen_server() is not None:
        from tunesmith.cli.remote.server import Server
        from tunesmith.cli.remote.workspace import RemoteWorkspace

        return RemoteWorkspace(Server(find_credentials()))
    from tunesmith.cli.local import LocalWorkspace
    from tunesmith.store.home import open_home

    return LocalWorkspace(open_home())


def refuse_server(what: str) -> None:
    """For commands that work with this machine's files alone.

    Raises:
        RecipeInvalid: a server was chosen.
    """
    if chosen_server() is not None:
        raise RecipeInvalid(
            f"{what} works on this machine only", hint="leave out --server and TUNESMITH_SERVER"
        )
