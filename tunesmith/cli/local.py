"""Commands on this machine: use cases on its home, work in this process."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tunesmith.artifacts import replacing
from tunesmith.cli import show
from tunesmith.cli.progress import job_progress
from tunesmith.cli.training import cross_validate, go_on, preflight, print_sweep, take_up
from tunesmith.cli.workspace import ChatWish, ImportWish, TrainWish
from tunesmith.data.preview import ExampleView
from tunesmith.errors import RecipeInvalid
from tunesmith.schema import check_name
from tunesmith.service import (
    answers,
    dataset_versions,
    datasets,
    folds,
    grids,
    local_comparisons,
    local_results,
    local_transcripts,
    models,
    run_views,
    runs,
)
from tunesmith.service.answers import ChatSession
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
from tunesmith.store.home import Home
from tunesmith.training.config import TrainConfig
from tunesmith.training.job import CHECKPOINTS
from tunesmith.training.pins import set_pin


@dataclass(frozen=True)
class LocalWorkspace:
    """See `workspace.Workspace`."""

    home: Home

    # --- datasets ----------------------------------------------------------------------------

    def import_dataset(self, wish: ImportWish) -> DatasetView:
        """Import a source, showing progress."""
        with job_progress("importing") as listener:
            return datasets.add_dataset(
                self.home,
                wish.source,
                name=wish.name,
                entry=wish.entry,
                format=wish.format,
                mapping=wish.mapping,
                max_rejected_percent=wish.max_rejected_percent,
                deduplicate=wish.deduplicate,
                listener=listener,
            )

    def list_datasets(self) -> list[DatasetView]:
        """Dataset versions, newest first."""
        return datasets.list_datasets(self.home)

    def report_on(self, dataset: str) -> DatasetReport:
        """A version in full."""
        return datasets.report_on(self.home, dataset)

    def delete_dataset(self, dataset: str) -> Deleted:
        """Delete a dataset or one version."""
        return dataset_versions.delete_dataset(self.home, dataset)

    def preview(
        self, dataset: str, config: TrainConfig, *, first: int, limit: int
    ) -> list[ExampleView]:
        """Examples token by token."""
        return list(datasets.preview(self.home, dataset, config, first=first, limit=limit))

    def diff(self, older: str, newer: str) -> DiffView:
        """Two versions compared."""
        return dataset_versions.diff_datasets(self.home, older, newer)

    def split(
        self, dataset: str, *, percent: int, seed: int, names: tuple[str, str]
    ) -> Sequence[DatasetView]:
        """A version divided into two."""
        return dataset_versions.split_dataset(
            self.home, dataset, percent=percent, seed=seed, names=names
        )

    def mix(self, task: str, *, config: TrainConfig, name: str | None) -> MixView:
        """What mixing comes to, or the mix as a dataset."""
        return dataset_versions.mix_datasets(self.home, task, config=config, name=name)

    def export(self, dataset: str, into: Path, *, format: str, overwrite: bool) -> int:
        """Write a version as JSON Lines here; how many examples."""
        return dataset_versions.export_dataset(
            self.home, dataset, into, format=format, overwrite=overwrite
        )

    # --- base models -------------------------------------------------------------------------

    def list_models(self) -> list[ModelView]:
        """Base models of the catalog."""
        return models.list_models(self.home)

    def pull_model(self, name: str) -> str:
        """Fetch a base model; where it is then."""
        return str(models.pull_model(self.home, name, say=show.note))

    def inspect_model(self, model: str, *, method: str, rank: int, targets: str) -> InspectionView:
        """What a method would train."""
        return models.inspect_model(
            self.home, model, method=method, rank=rank, targets=targets, say=show.note
        )

    # --- runs --------------------------------------------------------------------------------

    def train(self, config: TrainConfig, wish: TrainWish) -> None:
        """Fine-tune in this process, showing progress.

        Raises:
            RecipeInvalid: channels are to hear of it, which only a server has; or what is to be
                tried is no recipe.
        """
        if wish.notify:
            raise RecipeInvalid("--notify needs a server", hint="tunesmith --server URL train ...")
        folders: list[Path] = []
        for each in self._recipes(config, wish):
            job = runs.prepare_job(
                self.home, each, now=datetime.now(), start_from=wish.start_from, say=show.note
            )
            equal = runs.find_equal_run(self.home, job) if wish.reuse else None
            if equal is not None:
                folders.append(take_up(equal))
            elif wish.plan_only:
                preflight(self.home, job, as_json=wish.as_json)
            else:
                plan = preflight(self.home, job)
                folders.append(runs.create_run(self.home, job))
                go_on(folders[-1], plan=plan)
        if wish.folds and folders:
            cross_validate(config.name, folders)
        if wish.grid and folders:
            print_sweep(folders)

    def _recipes(self, config: TrainConfig, wish: TrainWish) -> list[TrainConfig]:
        if wish.folds and wish.grid:
            raise RecipeInvalid("--try and --folds do not go together", hint="leave one out")
        if wish.folds:
            return folds.fold_recipes(config, wish.folds)
        tried = grids.spread(config.model_dump(mode="json"), wish.grid)
        return [runs.recipe_of(each) for each in tried] if wish.grid else [config]

    def list_runs(self) -> list[RunView]:
        """Runs, newest first."""
        return run_views.list_runs(self.home)

    def show_run(self, run: str) -> RunDetails:
        """A run in full."""
        return run_views.show_run(self.home, run)

    def rename_run(self, run: str, name: str) -> None:
        """Call a run otherwise."""
        runs.rename_run(self.home, run, name)

    def pin_checkpoint(self, run: str, step: int, *, pinned: bool) -> None:
        """Keep a checkpoint of a run whatever its recipe says, or no longer."""
        set_pin(runs.find_run(self.home, run) / CHECKPOINTS, step, pinned=pinned)

    def resume_run(self, run: str, recipe: Path | None, overrides: list[str]) -> None:
        """Go on with a run in this process, showing progress."""
        folder = runs.find_run(self.home, run)
        runs.check_resumable(folder, runs.wanted_recipe(folder, recipe, overrides))
        go_on(folder)

    def extend_run(self, run: str, *, epochs: int, name: str | None) -> None:
        """Train a finished run for more epochs in this process, showing progress."""
        job = runs.extend_run(
            runs.find_run(self.home, run), epochs=epochs, name=name, now=datetime.now()
        )
        plan = preflight(self.home, job)
        show.say(f"continuing after step {job.origin.step if job.origin else 0}")
        go_on(runs.create_run(self.home, job), plan=plan)

    # --- asking models -----------------------------------------------------------------------

    def compare(self, wish: CompareWish) -> KeptComparison:
        """Ask several models the same in this process, showing progress."""
        with job_progress("comparing") as listener:
            return local_comparisons.compare(
                self.home, wish, now=datetime.now(UTC), listener=listener, say=show.note
            )

    def list_comparisons(self) -> list[PastComparison]:
        """Comparisons, newest first."""
        return local_results.list_comparisons(self.home)

    def read_comparison(self, comparison: str) -> KeptComparison:
        """A comparison with all answers."""
        return local_results.read_comparison(self.home, comparison)

    def evaluate(self, wish: EvaluateWish) -> KeptEvaluation:
        """Measure models in this process, showing progress."""
        with job_progress("evaluating") as listener:
            return local_comparisons.evaluate(
                self.home, wish, now=datetime.now(UTC), listener=listener, say=show.note
            )

    def list_evaluations(self) -> list[PastEvaluation]:
        """Evaluations, newest first."""
        return local_results.list_evaluations(self.home)

    def read_evaluation(self, evaluation: str) -> KeptEvaluation:
        """What an evaluation found."""
        return local_results.read_evaluation(self.home, evaluation)

    def export_report(self, kind: ResultKind, result: str, into: Path, *, overwrite: bool) -> None:
        """Write the page of a comparison or an evaluation here."""
        report = local_results.find_report(self.home, kind, result)
        with replacing(into, overwrite=overwrite) as temporary:
            shutil.copyfile(report, temporary)

    def delete_result(self, kind: ResultKind, result: str) -> None:
        """Delete a comparison or an evaluation."""
        local_results.delete_result(self.home, kind, result)

    def open_chat(self, wish: ChatWish) -> ChatSession:
        """Load a model and begin to talk to it.

        Raises:
            RecipeInvalid: a character is wanted, which only a server keeps.
        """
        if wish.character is not None:
            raise RecipeInvalid(
                "--character needs a server, which keeps them",
                hint="tunesmith --server URL chat ..., or say with --system who it is",
            )
        return answers.open_chat(
            self.home,
            wish.model,
            system=wish.system,
            max_tokens=answers.MAX_TOKENS if wish.max_tokens is None else wish.max_tokens,
            temperature=wish.temperature or 0.0,
            say=show.note,
        )

    def keep_chat(self, chat: ChatToKeep) -> TranscriptView:
        """Keep a chat."""
        return local_transcripts.keep_chat(self.home, chat, now=datetime.now(UTC)).transcript

    def list_transcripts(self) -> list[TranscriptView]:
        """Kept chats, newest first."""
        return local_transcripts.list_transcripts(self.home)

    def read_transcript(self, transcript: str) -> TranscriptDetail:
        """A kept chat."""
        return local_transcripts.get_transcript(self.home, transcript)

    def delete_transcript(self, transcript: str) -> None:
        """Delete a kept chat."""
        local_transcripts.delete_transcript(self.home, transcript)

    def export_transcripts(self, transcripts: list[str], into: Path, *, overwrite: bool) -> int:
        """Write kept chats, or all, as JSON Lines here; how many."""
        lines = local_transcripts.export_transcripts(self.home, transcripts)
        with replacing(into, overwrite=overwrite) as temporary:
            temporary.write_text("".join(lines), "utf-8")
        return len(lines)

    def train_on_transcripts(self, transcripts: list[str], *, name: str) -> DatasetView:
        """Import kept chats, or all, as a dataset."""
        lines = local_transcripts.export_transcripts(self.home, transcripts)
        with TemporaryDirectory() as folder, job_progress("importing") as listener:
            source = Path(folder) / f"{check_name(name)}.jsonl"
            source.write_text("".join(lines), "utf-8")
            return datasets.add_dataset(
                self.home, source, name=name, format="messages", listener=listener
            )
