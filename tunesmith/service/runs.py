"""Runs: from a recipe to a job, resuming, extending, finding what came out."""

import secrets
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tunesmith.artifacts import read_manifest, write_json
from tunesmith.data.config import DatasetValidation, split_reference
from tunesmith.errors import NotFound, ResumeRefused
from tunesmith.events import Emit
from tunesmith.jobs.folder import JOB, Outcome
from tunesmith.modeling.catalog import CATALOG
from tunesmith.schema import check_name, parse_yaml, read_text, validate, with_overrides
from tunesmith.service import engine
from tunesmith.service.models import find_base
from tunesmith.store.home import Home
from tunesmith.training.config import TrainConfig, changed_settings
from tunesmith.training.job import (
    CHECKPOINTS,
    RESULT,
    Extend,
    Fork,
    PinnedDataset,
    PinnedModel,
    TrainJob,
)
from tunesmith.training.pins import committed_steps
from tunesmith.training.presets import with_preset
from tunesmith.training.saving import with_needs

if TYPE_CHECKING:
    from tunesmith.jobs.engine import TrainingPlan

Say = Callable[[str], None]
ID_TIME = "%Y%m%d-%H%M%S"  # how a run's id begins


def load_recipe(
    path: Path, overrides: list[str], *, preset: str | None = None, needs: Collection[str] = ()
) -> TrainConfig:
    """Read a recipe file, apply `--set` overrides, and needs and a preset to what it leaves out.

    Raises:
        NotFound: there is no such file, need or preset.
        RecipeInvalid: naming the key that is wrong and what is allowed.
    """
    values = parse_yaml(read_text(path), source=str(path))
    if isinstance(values, dict):
        values = with_overrides(cast("dict[str, Any]", values), overrides)
        values = with_needs(values, needs) if needs else values
        values = with_preset(values, preset) if preset is not None else values
    return validate(TrainConfig, values, source=str(path))


def recipe_of(values: dict[str, Any]) -> TrainConfig:
    """A recipe from plain values, with the defaults for what they leave out.

    Raises:
        RecipeInvalid: naming the key that is wrong.
    """
    return validate(TrainConfig, values, source="recipe")


def prepare_job(
    home: Home,
    config: TrainConfig,
    *,
    now: datetime,
    start_from: str | None = None,
    run_id: str | None = None,
    base: PinnedModel | None = None,
    pins: Mapping[str, str] | None = None,
    say: Say = lambda line: None,
) -> TrainJob:
    """Pin every name of `config`; nothing is written yet.

    Args:
        home: whose names they are.
        config: the recipe.
        now: the time from which the run's id is made.
        start_from: RUN or RUN@STEP whose weights the new run begins with (F76).
        run_id: the run's id if it has one already.
        base: what `config.model` means, if that is known.
        pins: dataset versions by reference, where they were pinned before.
        say: hears what takes long.

    Raises:
        NotFound: a dataset, base model or run does not exist.
        ModelRejected: the base model cannot be used.
        FetchFailed: the base model is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    config = config.resolved()
    validation = config.data.validation

    def pin(reference: str) -> PinnedDataset:
        return pin_dataset(home, reference, version=(pins or {}).get(reference))

    return TrainJob(
        run_id=run_id or _new_id(now),
        config=config,
        train=[pin(entry.dataset) for entry in config.data.train],
        mix=pin(config.data.mix.dataset) if config.data.mix else None,
        validation=pin(validation.dataset) if isinstance(validation, DatasetValidation) else None,
        base=base or find_base(home, config.model, say=say),
        origin=find_checkpoint(home, start_from) if start_from else None,
        cache=str(home.cache / "tokens"),
    )


def _new_id(now: datetime) -> str:
    # Six digits: twenty runs made within one second collide once in 90,000 times.
    return f"{now:{ID_TIME}}-{secrets.token_hex(3)}"


def pin_dataset(home: Home, reference: str, *, version: str | None = None) -> PinnedDataset:
    """A dataset version and where it lies: `version`, or what `reference` means now.

    Raises:
        NotFound: there is no such dataset, or its files are gone.
    """
    name, _ = split_reference(reference)
    if version is None:
        entry = home.find("dataset", reference)
        name, version = entry.name, entry.id
    folder = home.datasets / version
    if read_manifest(folder) is None:
        raise NotFound(f"the files of dataset {reference!r} are gone")
    return PinnedDataset(reference=name, version=version, folder=str(folder))


def find_checkpoint(home: Home, reference: str) -> Fork:
    """The checkpoint that RUN@STEP means, or RUN for its last one.

    Raises:
        NotFound: there is no such run, or it has no such checkpoint.
    """
    name, _, step_text = reference.partition("@")
    folder = home.runs / home.find("run", name).id
    checkpoints = checkpoint_steps(folder)
    if not checkpoints:
        raise NotFound(f"run {name} has no checkpoint to start from")
    step = int(step_text) if step_text.isdigit() else max(checkpoints)
    if step not in checkpoints or (step_text and not step_text.isdigit()):
        known = ", ".join(str(number) for number in sorted(checkpoints))
        raise NotFound(f"run {name} has no checkpoint {step_text!r}", hint=f"there are: {known}")
    return Fork(run_id=folder.name, step=step, weights=str(checkpoints[step] / "weights"))


def checkpoint_steps(folder: Path) -> dict[int, Path]:
    """The checkpoints of a run that are complete, by step."""
    return committed_steps(folder / CHECKPOINTS)


def create_run(home: Home, job: TrainJob) -> Path:
    """Write the job's folder, durable on return, and let its name point to it."""
    folder = home.runs / job.run_id
    folder.mkdir(parents=True)
    write_json(folder / JOB, job.model_dump(mode="json"))
    home.point("run", job.config.name, job.run_id)
    return folder


def find_equal_run(home: Home, job: TrainJob) -> Path | None:
    """The newest run that computes the same as `job`, whatever its state."""
    for entry in reversed(home.entries("run")):
        folder = home.runs / entry.id
        if entry.name != job.config.name or not (folder / JOB).exists():
            continue
        if read_job(folder).identity == job.identity:
            return folder
    return None


def read_job(folder: Path) -> TrainJob:
    """The frozen job of a run."""
    return TrainJob.model_validate_json((folder / JOB).read_text("utf-8"))


def find_run(home: Home, reference: str) -> Path:
    """The folder of a run by name, `name@id` or id.

    Raises:
        NotFound: there is none.
    """
    return home.runs / home.find("run", reference).id


def rename_run(home: Home, reference: str, name: str) -> None:
    """Call a run otherwise. Its old name leads to it too, until another run has that.

    Raises:
        NotFound: there is none.
        NameInvalid: `name` breaks the rules.
    """
    home.point("run", check_name(name), home.find("run", reference).id)


def run(folder: Path, *, listener: Emit, plan: "TrainingPlan | None" = None) -> Outcome:
    """Run or go on with the run of `folder`, in this process.

    Raises:
        ResumeRefused: another process runs it, or its files are of another run.
        Stopped: stopped by a signal, resumable.
        TunesmithError: whatever else stops the work.
    """
    return engine.load().run_job(folder, listener=listener, plan=plan)


def check_resumable(folder: Path, wanted: TrainConfig | None) -> None:
    """Refuse to resume what cannot go on to the same bits.

    Raises:
        ResumeRefused: the run is finished, or `wanted` computes something else than its recipe.
    """
    job = read_job(folder)
    changed = changed_settings(job.config, wanted) if wanted is not None else []
    if changed:
        raise ResumeRefused(
            f"run {job.config.name} is frozen; {', '.join(changed)} differ from its recipe",
            hint="resume it without changes, or "
            f"fork: tunesmith train RECIPE --from {job.config.name}, or "
            f"extend: tunesmith runs extend {job.config.name} --epochs N",
        )
    if read_manifest(folder / RESULT) is not None:
        raise ResumeRefused(
            f"run {job.config.name} is finished",
            hint=f"to train longer: tunesmith runs extend {job.config.name} --epochs N",
        )


def extend_run(
    folder: Path, *, epochs: int, name: str | None, now: datetime, run_id: str | None = None
) -> TrainJob:
    """A new job that goes on after the last checkpoint of a finished run, for `epochs` more epochs.

    Weights, optimizer, random state and data order continue; the learning rate takes its course
    anew over the added steps.

    Raises:
        ResumeRefused: the run is not finished, or its last checkpoint was deleted.
        NameInvalid: `name` breaks the rules.
        RecipeInvalid: that is more epochs than are allowed.
    """
    job = read_job(folder)
    if read_manifest(folder / RESULT) is None:
        raise ResumeRefused(
            f"run {job.config.name} is not finished",
            hint=f"finish it first: tunesmith runs resume {job.config.name}",
        )
    steps = checkpoint_steps(folder)
    if not steps:
        raise ResumeRefused(f"run {job.config.name} has no checkpoint left to go on from")
    last = max(steps)
    values = job.config.model_dump(mode="json")
    values["training"]["epochs"] += epochs
    values["name"] = check_name(name) if name else job.config.name
    config = validate(TrainConfig, values, source=f"run {job.config.name} + {epochs} epochs")
    origin = Extend(run_id=folder.name, step=last, checkpoint=str(steps[last]))
    return job.model_copy(
        update={"run_id": run_id or _new_id(now), "config": config, "origin": origin}
    )


def system_prompt_of(folder: Path) -> str:
    """The system prompt that a run trains with; its checkpoints do not hold it."""
    return read_job(folder).config.data.system_prompt


def find_chat_folder(
    home: Home, reference: str, *, say: Say = lambda line: None
) -> tuple[str, Path]:
    """What to call a model and where it lies: a run's result, RUN@STEP, a base model or a folder.

    Raises:
        NotFound: it is none of these, or the run has no result yet.
        ModelRejected: a file that cannot be a base model.
        FetchFailed: a base model is not here yet and could not be fetched.
        NotEnoughResources: the disk is too small to fetch it.
    """
    names = {entry.name for entry in home.entries("run")}
    name, _, step = reference.partition("@")
    if name in names and step.isdigit():
        return reference, Path(find_checkpoint(home, reference).weights)
    if name in names:
        folder = find_run(home, reference)
        if read_manifest(folder / RESULT) is None:
            raise NotFound(
                f"run {name} is not finished",
                hint=f"tunesmith runs resume {name}, or use {name}@STEP",
            )
        return reference, folder / RESULT
    if Path(reference).is_dir():
        return Path(reference).name, Path(reference).resolve()
    if reference not in CATALOG and not Path(reference).expanduser().exists():
        known = ", ".join([*sorted(names), *sorted(CATALOG)])
        raise NotFound(
            f"there is no run, base model or folder {reference!r}", hint=f"there are: {known}"
        )
    return reference, Path(find_base(home, reference, say=say).folder)


def wanted_recipe(folder: Path, recipe: Path | None, overrides: list[str]) -> TrainConfig | None:
    """The recipe that a resume is asked to follow, None where nothing is asked.

    Raises:
        NotFound: there is no such recipe file.
        RecipeInvalid: naming the key that is wrong and what is allowed.
    """
    if recipe is not None:
        return load_recipe(recipe, overrides)
    if not overrides:
        return None
    values = with_overrides(read_job(folder).config.model_dump(mode="json"), overrides)
    return validate(TrainConfig, values, source="runs resume")
