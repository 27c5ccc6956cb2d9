"""Where commands do their work: on this machine, or on a server that does it for them.

`--server` or TUNESMITH_SERVER chooses. Both kinds give the same views, so that a command prints
what it got and need not know.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tunesmith.cli.loading import loading
from tunesmith.cli.remote.credentials import chosen_server, find_credentials
from tunesmith.data.deduplicate import Deduplicate
from tunesmith.errors import RecipeInvalid
from tunesmith.training.config import TrainConfig

if TYPE_CHECKING:
    from tunesmith.data.preview import ExampleView
    from tunesmith.service.dataset_versions import Deleted, DiffView, MixView
    from tunesmith.service.datasets import DatasetReport, DatasetView
    from tunesmith.service.local_comparisons import CompareWish, EvaluateWish
    from tunesmith.service.local_results import (
        KeptComparison,
        KeptEvaluation,
        PastComparison,
        PastEvaluation,
        ResultKind,
    )
    from tunesmith.service.models import InspectionView, ModelView
    from tunesmith.service.run_views import RunDetails, RunView
    from tunesmith.service.transcripts import ChatToKeep, TranscriptDetail, TranscriptView


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
        grid: values by path, of which every combination is tried.
    """

    start_from: str | None
    reuse: bool
    plan_only: bool
    as_json: bool
    folds: int | None
    notify: list[str]
    grid: dict[str, list[Any]]


@dataclass(frozen=True)
class ChatWish:
    """A model to talk to; `system` and `character` say who it is to be."""

    model: str
    system: str | None
    character: str | None
    max_tokens: int | None
    temperature: float | None


class Chat(Protocol):
    """A conversation with one model."""

    @property
    def greeting(self) -> str:
        """What the other side says first; mostly nothing."""
        ...

    def ask(self, prompt: str, *, on_text: Callable[[str], None]) -> str:
        """Say something; the answer is passed on as it comes, and remembered."""
        ...

    def forget(self) -> None:
        """Start a new conversation."""
        ...

    def said(self) -> Mapping[str, Any]:
        """The conversation so far, as the fields of a `ChatToKeep` but its title."""
        ...


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

    def rename_run(self, run: str, name: str) -> None:
        """Call a run otherwise."""
        ...

    def pin_checkpoint(self, run: str, step: int, *, pinned: bool) -> None:
        """Keep a checkpoint of a run whatever its recipe says, or no longer."""
        ...

    def resume_run(self, run: str, recipe: Path | None, overrides: list[str]) -> None:
        """Go on with a run, showing progress."""
        ...

    def extend_run(self, run: str, *, epochs: int, name: str | None) -> None:
        """Train a finished run for more epochs, showing progress."""
        ...

    def compare(self, wish: "CompareWish") -> "KeptComparison":
        """Ask several models the same, showing progress."""
        ...

    def list_comparisons(self) -> "list[PastComparison]":
        """Comparisons, newest first."""
        ...

    def read_comparison(self, comparison: str) -> "KeptComparison":
        """A comparison with all answers."""
        ...

    def evaluate(self, wish: "EvaluateWish") -> "KeptEvaluation":
        """Measure models, showing progress."""
        ...

    def list_evaluations(self) -> "list[PastEvaluation]":
        """Evaluations, newest first."""
        ...

    def read_evaluation(self, evaluation: str) -> "KeptEvaluation":
        """What an evaluation found."""
        ...

    def export_report(
        self, kind: "ResultKind", result: str, into: Path, *, overwrite: bool
    ) -> None:
        """Write the page of a comparison or an evaluation here."""
        ...

    def delete_result(self, kind: "ResultKind", result: str) -> None:
        """Delete a comparison or an evaluation."""
        ...

    def open_chat(self, wish: ChatWish) -> Chat:
        """Begin to talk to a model."""
        ...

    def keep_chat(self, chat: "ChatToKeep") -> "TranscriptView":
        """Keep a chat."""
        ...

    def list_transcripts(self) -> "list[TranscriptView]":
        """Kept chats, newest first."""
        ...

    def read_transcript(self, transcript: str) -> "TranscriptDetail":
        """A kept chat."""
        ...

    def delete_transcript(self, transcript: str) -> None:
        """Delete a kept chat."""
        ...

    def export_transcripts(self, transcripts: list[str], into: Path, *, overwrite: bool) -> int:
        """Write kept chats, or all, as JSON Lines here; how many."""
        ...

    def train_on_transcripts(self, transcripts: list[str], *, name: str) -> "DatasetView":
        """Import kept chats, or all, as a dataset."""
        ...


def open_workspace() -> Workspace:
    """The server that was chosen, or this machine's home."""
    if chosen_server() is not None:
        with loading():
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
