"""Commands on a server: uploads, jobs that are followed, and views rebuilt from its answers."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from tunesmith.cli import show
from tunesmith.cli.preflight import print_preflight
from tunesmith.cli.progress import counted_progress
from tunesmith.cli.remote import measuring
from tunesmith.cli.remote.chatting import RemoteChat
from tunesmith.cli.remote.following import as_request, follow, submit
from tunesmith.cli.remote.server import Server, rebuilt
from tunesmith.cli.remote.views import dataset_view, past_comparison, run_view
from tunesmith.cli.workspace import ChatWish, ImportWish, TrainWish
from tunesmith.data.dataset import LeftOut
from tunesmith.data.mix import Share
from tunesmith.data.preview import ExampleView
from tunesmith.data.quality import Finding
from tunesmith.errors import NotFound, RecipeInvalid
from tunesmith.schema import check_name
from tunesmith.service import engine
from tunesmith.service.channels import ChannelView
from tunesmith.service.checkpoints import CheckpointView
from tunesmith.service.comparisons import ComparisonView
from tunesmith.service.dataset_pages import DatasetDiff, DatasetLineage, DatasetSummary
from tunesmith.service.dataset_versions import Deleted, DiffView, MixView
from tunesmith.service.datasets import (
    NUM_LEFT_OUT,
    DatasetReport,
    DatasetView,
    view_left_out,
)
from tunesmith.service.job_requests import (
    ExtendRequest,
    ImportRequest,
    JobOptions,
    JobRequest,
    MixRequest,
    PreflightRequest,
    PreviewRequest,
    PullRequest,
    RegisterRequest,
    TrainRequest,
)
from tunesmith.service.job_views import JobView
from tunesmith.service.local_comparisons import CompareWish, EvaluateWish
from tunesmith.service.local_results import (
    KeptComparison,
    KeptEvaluation,
    PastComparison,
    PastEvaluation,
    ResultKind,
)
from tunesmith.service.model_pages import RegisteredModel
from tunesmith.service.models import InspectionView, ModelView
from tunesmith.service.registry import short_id
from tunesmith.service.run_pages import RunDetail, RunSummary
from tunesmith.service.run_views import RunDetails, RunView
from tunesmith.service.transcripts import ChatToKeep, TranscriptDetail, TranscriptView
from tunesmith.training.config import TrainConfig

_QUIET_SECONDS = 2.0  # a log that says nothing for so long has said all there is by now
_PREVIEWS: TypeAdapter[list[ExampleView]] = TypeAdapter(list[ExampleView])


@dataclass(frozen=True)
class RemoteWorkspace:
    """See `workspace.Workspace`."""

    server: Server

    # --- datasets ----------------------------------------------------------------------------

    def import_dataset(self, wish: ImportWish) -> DatasetView:
        """Upload a file, or name an address, and follow the import."""
        check_name(wish.name)  # before a long upload
        is_address = "://" in wish.source
        job = self._submit(
            as_request(
                ImportRequest,
                name=wish.name,
                file=None if is_address else self._upload(Path(wish.source)),
                url=wish.source if is_address else None,
                entry=wish.entry,
                format=wish.format,
                mapping=wish.mapping,
                max_rejected_percent=wish.max_rejected_percent,
                deduplicate=wish.deduplicate,
            )
        )
        done = follow(self.server, job)
        return self._dataset(wish.name, existed=bool(done.value and done.value["existed"]))

    def _upload(self, path: Path) -> str:
        with counted_progress(f"uploading {path.name}") as advance:
            return self.server.upload(path, on_bytes=advance)

    def _dataset(self, reference: str, *, existed: bool = True) -> DatasetView:
        found = self.server.view(DatasetSummary, "GET", f"/datasets/{quote(reference)}")
        return dataset_view(found, existed=existed)

    def list_datasets(self) -> list[DatasetView]:
        """The newest versions of all datasets, newest first."""
        return [dataset_view(each) for each in self.server.list(DatasetSummary, "/datasets")]

    def report_on(self, dataset: str) -> DatasetReport:
        """A version in full."""
        path = f"/datasets/{quote(dataset)}"
        lineage = self.server.view(DatasetLineage, "GET", f"{path}/lineage")
        findings = self.server.call("GET", f"{path}/report")["data"]
        rows = {"limit": NUM_LEFT_OUT}
        left_out = self.server.call("GET", f"{path}/rejected", params=rows)["data"]
        return DatasetReport(
            dataset=self._dataset(dataset),
            findings=rebuilt(list[Finding], findings),
            rows_left_out=view_left_out(lineage.made_from, rebuilt(list[LeftOut], left_out)),
            lineage=lineage.made_from,
            runs=lineage.runs,
        )

    def delete_dataset(self, dataset: str) -> Deleted:
        """Delete a dataset or one version."""
        return self.server.view(Deleted, "DELETE", f"/datasets/{quote(dataset)}")

    def preview(
        self, dataset: str, config: TrainConfig, *, first: int, limit: int
    ) -> list[ExampleView]:
        """Examples token by token."""
        asked = as_request(
            PreviewRequest,
            dataset=dataset,
            model=config.model,
            data=config.data,
            first_row=first,
            limit=limit,
        )
        return _PREVIEWS.validate_python(follow(self.server, self._submit(asked)).value)

    def diff(self, older: str, newer: str) -> DiffView:
        """Two versions compared."""
        path = f"/datasets/{quote(newer)}/diff"
        found = self.server.view(DatasetDiff, "GET", path, params={"older": older})
        return DiffView(dataset_view(found.older), dataset_view(found.newer), found.difference)

    def split(
        self, dataset: str, *, percent: int, seed: int, names: tuple[str, str]
    ) -> Sequence[DatasetView]:
        """A version divided into two."""
        for each in names:
            check_name(each)
        body = {"percent": percent, "seed": seed, "rest": names[0], "held_out": names[1]}
        made = self.server.call("POST", f"/datasets/{quote(dataset)}/split", json=body)["data"]
        return [dataset_view(each) for each in rebuilt(list[DatasetSummary], made)]

    def mix(self, task: str, *, config: TrainConfig, name: str | None) -> MixView:
        """What mixing comes to, or the mix as a dataset."""
        job = self._submit(as_request(MixRequest, dataset=task, recipe=config, name=name))
        found = follow(self.server, job).value
        made = None if name is None else self._dataset(name, existed=False)
        task_share, general_share = (rebuilt(Share, found[part]) for part in ("task", "general"))
        return MixView(found["ratio"], task_share, general_share, made)

    def export(self, dataset: str, into: Path, *, format: str, overwrite: bool) -> int:
        """Write a version as JSON Lines here; how many examples."""
        path = f"/datasets/{quote(dataset)}/export"
        self.server.download(path, into, overwrite=overwrite, format=format)
        return _num_lines(into)

    # --- models ------------------------------------------------------------------------------

    def list_registered(self) -> list[RegisteredModel]:
        """The models of the registry, newest first."""
        return list(self.server.list(RegisteredModel, "/models"))

    def import_model(self, archive: Path, *, name: str, base: str | None) -> RegisteredModel:
        """Upload an archive and follow its checks; the model that it became."""
        check_name(name)  # before a long upload
        asked = as_request(RegisterRequest, name=name, file=self._upload(archive), base=base)
        done = follow(self.server, self._submit(asked))
        models = self.server.list(RegisteredModel, "/models", name=name)
        return next(each for each in models if each.id.endswith(short_id(done.id)))

    # --- base models -------------------------------------------------------------------------

    def list_models(self) -> list[ModelView]:
        """Base models of the catalog."""
        return [
            ModelView(
                name=each["name"],
                summary=each["summary"],
                licence=each["licence"],
                num_parameters=each["num_parameters"],
                pulled=each["is_here"],
                bytes_on_disk=each["num_bytes"],
                folder="",
            )
            for each in self.server.call("GET", "/base-models")["data"]
        ]

    def pull_model(self, name: str) -> str:
        """Let the server fetch a base model."""
        follow(self.server, self._submit(PullRequest(model=name)))
        return self.server.address

    def inspect_model(self, model: str, *, method: str, rank: int, targets: str) -> InspectionView:
        """A server tells this in a preflight.

        Raises:
            RecipeInvalid: always.
        """
        raise RecipeInvalid(
            "a server tells what a method trains in the preflight",
            hint="tunesmith train RECIPE --plan",
        )

    # --- runs --------------------------------------------------------------------------------

    def train(self, config: TrainConfig, wish: TrainWish) -> None:
        """Queue a run and follow it; it goes on whoever watches.

        Raises:
            RecipeInvalid: something is asked for that only works on this machine.
        """
        local = {"--reuse": wish.reuse, "--folds": wish.folds}
        asked = [option for option, value in local.items() if value]
        if asked:
            raise RecipeInvalid(f"{asked[0]} works on this machine only", hint="leave it out")
        if wish.plan_only:
            self._plan(config, as_json=wish.as_json)
            return
        options = JobOptions(notify=[self.find_channel(each) for each in wish.notify])
        train = TrainRequest(recipe=config, start_from=wish.start_from)
        if wish.grid:
            self._sweep(train, options, wish.grid)
        else:
            self._follow_run(self._submit(train, options))

    def _sweep(
        self, train: TrainRequest, options: JobOptions, grid: Mapping[str, Sequence[Any]]
    ) -> None:
        """Queue a run for every combination; they go on by themselves."""
        body = {
            "job": train.model_dump(mode="json"),
            "grid": grid,
            "options": options.model_dump(mode="json"),
        }
        key = {"idempotency-key": secrets.token_hex(16)}  # a second try finds the first one's runs
        queued = self.server.call("POST", "/sweeps", json=body, headers=key)["data"]
        for job in rebuilt(list[JobView], queued):
            show.say(f"run {job.name} ({job.id}) is {job.status}")
        show.say("next: tunesmith runs list  ·  tunesmith runs follow NAME")

    def _plan(self, config: TrainConfig, *, as_json: bool) -> None:
        done = follow(self.server, self._submit(PreflightRequest(recipe=config)))
        if as_json:
            show.print_json(done.value)
        else:
            print_preflight(rebuilt(engine.load().Preflight, done.value))

    def find_channel(self, name: str) -> str:
        """The id of a channel.

        Raises:
            NotFound: there is none of that name or id.
        """
        channels = list(self.server.list(ChannelView, "/channels"))
        found = [each.id for each in channels if name in (each.name, each.id)]
        if not found:
            known = ", ".join(each.name for each in channels) or "none yet"
            raise NotFound(f"there is no channel {name!r}", hint=f"there are: {known}")
        return found[0]

    def list_runs(self) -> list[RunView]:
        """Runs, newest first."""
        found = self.server.list(RunSummary, "/runs", last_id=lambda entry: entry["job"]["id"])
        return [run_view(each) for each in found]

    def show_run(self, run: str) -> RunDetails:
        """A run in full."""
        path = f"/runs/{self.find_run(run).id}"
        found = self.server.view(RunDetail, "GET", path)
        page = self.server.call("GET", f"{path}/checkpoints")["data"]
        checkpoints = rebuilt(list[CheckpointView], page)[::-1]
        return RunDetails(
            view=replace(run_view(found.run), result=", ".join(found.model_ids) or None),
            losses=[point.loss for point in found.curve],
            validations=[{"step": each.step, "loss": each.loss} for each in found.validations],
            samples=found.samples,
            tokens_per_second=found.tokens_per_second,
            checkpoints=[each.step for each in checkpoints],
            pinned=[each.step for each in checkpoints if each.pinned],
            lineage={"train": list(found.pins.values())},
            recipe=found.recipe,
        )

    def rename_run(self, run: str, name: str) -> None:
        """Call a run otherwise."""
        check_name(name)
        self.server.call("PATCH", f"/runs/{self.find_run(run).id}", json={"name": name})

    def pin_checkpoint(self, run: str, step: int, *, pinned: bool) -> None:
        """Keep a checkpoint of a run whatever its recipe says, or no longer."""
        path = f"/runs/{self.find_run(run).id}/checkpoints/{step}/pin"
        self.server.call("POST" if pinned else "DELETE", path)

    def resume_run(self, run: str, recipe: Path | None, overrides: list[str]) -> None:
        """Queue a run again and follow it.

        Raises:
            RecipeInvalid: a recipe is to be compared.
        """
        if recipe is not None or overrides:
            raise RecipeInvalid(
                "on a server a run goes on with its own recipe", hint="leave the options out"
            )
        self._follow_run(self.steer(self.find_run(run).id, "resume"))

    def extend_run(self, run: str, *, epochs: int, name: str | None) -> None:
        """Queue a run that goes on from a finished one, and follow it."""
        asked = as_request(ExtendRequest, run=self.find_run(run).id, epochs=epochs, name=name)
        self._follow_run(self._submit(asked))

    # --- asking models -----------------------------------------------------------------------

    def compare(self, wish: CompareWish) -> KeptComparison:
        """The same prompts to several models of the server, as a job there."""
        return measuring.compare(self.server, wish)

    def list_comparisons(self) -> list[PastComparison]:
        """Comparisons, newest first."""
        found = self.server.list(ComparisonView, "/comparisons")
        return [past_comparison(each) for each in found]

    def read_comparison(self, comparison: str) -> KeptComparison:
        """A comparison with all answers."""
        return measuring.read_comparison(self.server, comparison)

    def evaluate(self, wish: EvaluateWish) -> KeptEvaluation:
        """Figures of models of the server, as a job there."""
        return measuring.evaluate(self.server, wish)

    def list_evaluations(self) -> list[PastEvaluation]:
        """Evaluations, newest first."""
        return measuring.list_evaluations(self.server)

    def read_evaluation(self, evaluation: str) -> KeptEvaluation:
        """What an evaluation found."""
        return measuring.read_evaluation(self.server, evaluation)

    def export_report(self, kind: ResultKind, result: str, into: Path, *, overwrite: bool) -> None:
        """Write the page of a comparison or an evaluation here."""
        path = f"/{kind}/{quote(result, safe='')}/report"
        self.server.download(path, into, overwrite=overwrite)

    def delete_result(self, kind: ResultKind, result: str) -> None:
        """Delete a comparison with its votes, or an evaluation."""
        self.server.call("DELETE", f"/{kind}/{quote(result, safe='')}")

    def open_chat(self, wish: ChatWish) -> RemoteChat:
        """Talk to a model that the server has deployed."""
        return RemoteChat(self.server, wish)

    def keep_chat(self, chat: ChatToKeep) -> TranscriptView:
        """Keep a chat; everybody in the tenant can read it."""
        body = chat.model_dump(mode="json")
        return self.server.view(TranscriptDetail, "POST", "/transcripts", json=body).transcript

    def list_transcripts(self) -> list[TranscriptView]:
        """Kept chats, newest first."""
        return list(self.server.list(TranscriptView, "/transcripts"))

    def read_transcript(self, transcript: str) -> TranscriptDetail:
        """A kept chat."""
        path = f"/transcripts/{quote(transcript, safe='')}"
        return self.server.view(TranscriptDetail, "GET", path)

    def delete_transcript(self, transcript: str) -> None:
        """Delete a kept chat."""
        self.server.call("DELETE", f"/transcripts/{quote(transcript, safe='')}")

    def export_transcripts(self, transcripts: list[str], into: Path, *, overwrite: bool) -> int:
        """Write kept chats, or all, as JSON Lines here; how many."""
        path = "/transcripts/export"
        self.server.download(path, into, overwrite=overwrite, transcript=transcripts)
        return _num_lines(into)

    def train_on_transcripts(self, transcripts: list[str], *, name: str) -> DatasetView:
        """Import kept chats, or all, as a dataset of the server."""
        body = {"name": name, "transcripts": transcripts}
        follow(self.server, self.server.view(JobView, "POST", "/transcripts/dataset", json=body))
        return self._dataset(name, existed=False)

    # --- what only a server has --------------------------------------------------------------

    def find_run(self, reference: str) -> JobView:
        """The newest run of a name, or the one of an id.

        Raises:
            NotFound: there is none.
        """
        path = f"/jobs/{quote(reference, safe='')}"
        wanted = {"name": reference, "kind": "train", "limit": 1}
        named = self.server.call("GET", "/jobs", params=wanted)["data"]
        if named:
            return rebuilt(JobView, named[0])
        try:
            return self.server.view(JobView, "GET", path)
        except NotFound:
            raise NotFound(
                f"there is no run or job {reference!r}", hint="tunesmith runs list, or jobs list"
            ) from None

    def steer(self, job_id: str, deed: str, body: Mapping[str, Any] | None = None) -> JobView:
        """Pause, resume, cancel or move a job."""
        return self.server.view(JobView, "POST", f"/jobs/{job_id}/{deed}", json=body)

    def follow_run(self, run: str) -> None:
        """Show how a run goes until it ends."""
        self._follow_run(self.find_run(run))

    def print_log(self, run: str, *, follow: bool) -> None:
        """Print what a run's process printed, until the run ends or, without `follow`, so far."""
        path = f"/runs/{self.find_run(run).id}/logs"
        quiet = None if follow else _QUIET_SECONDS
        for event in self.server.events(path, say=show.note, until_quiet_seconds=quiet):
            print(event.data["text"], end="", flush=True)

    def _follow_run(self, job: JobView) -> None:
        if job.waits_for:
            show.note(f"· {job.name} ({job.id}) waits: {job.waits_for}")
        done = follow(self.server, job)
        if done.status == "succeeded":
            show.say(f"run {done.name} finished\nnext: tunesmith runs show {done.name}")
        else:
            show.say(f"run {done.name} is {done.status}; tunesmith runs resume {done.name}")

    def _submit(self, request: JobRequest, options: JobOptions | None = None) -> JobView:
        return submit(self.server, request, options)


def _num_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for _ in file)
