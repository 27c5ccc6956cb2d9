"""A recipe that is still being written: what is wrong with it, what it would come to, its course.

What is known without reading a row or a model is said at once. The exact figures (memory, time,
cut examples, leakage) are those of a preflight, which is a job.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from pydantic import ValidationError

from tunesmith.data.config import (
    DatasetValidation,
    FoldValidation,
    NoValidation,
    SplitValidation,
    Validation,
)
from tunesmith.errors import TunesmithError
from tunesmith.explain import explain_each
from tunesmith.service.datasets import find_version
from tunesmith.service.kinds.inputs import find_inputs, references
from tunesmith.service.services import Services
from tunesmith.training.config import TrainConfig
from tunesmith.training.schedule import make_schedule

_NUM_RATES = 200  # points of the learning rate's course
_STEPS_WITHOUT_DATA = 100  # over which the course is drawn while no dataset is chosen


@dataclass(frozen=True)
class DraftNote:
    """What is to be said of a setting, by its dotted path; empty for the whole recipe."""

    path: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class DraftFigures:
    """What a recipe would come to, if no example is cut, left out, or drawn from a mix.

    Attributes:
        num_examples: examples an epoch.
        num_validation_examples: examples that are measured.
        num_characters: of the training texts, in one epoch.
        effective_batch: examples an optimizer step.
        total_steps: optimizer steps.
    """

    num_examples: int
    num_validation_examples: int
    num_characters: int
    effective_batch: int
    steps_per_epoch: int
    total_steps: int


@dataclass(frozen=True)
class DraftView:
    """A draft, looked at.

    Attributes:
        recipe: complete with defaults; None while something is wrong with a setting.
        problems: what keeps it from being trained.
        warnings: values that are allowed and unusual.
        figures: what it would come to; None while datasets are missing.
        rates: the learning rate's course, as (step, rate).
    """

    recipe: dict[str, Any] | None
    problems: list[DraftNote]
    warnings: list[DraftNote]
    figures: DraftFigures | None
    rates: list[tuple[int, float]]


def check_draft(services: Services, tenant_id: str, values: dict[str, Any]) -> DraftView:
    """Look at a draft; nothing is written, and nothing that takes long is done."""
    try:
        recipe = TrainConfig.model_validate(values, strict=False)
    except ValidationError as error:
        told = explain_each(error, TrainConfig)
        problems = [DraftNote(path, *sentences) for path, sentences in told.items()]
        return DraftView(None, problems, [], None, [])
    problems = list(_missing(services, tenant_id, recipe))
    figures = None if problems else _figures(services, tenant_id, recipe)
    if figures is not None and figures.num_examples < 1:
        problems = [DraftNote("data.validation", "validation leaves nothing to train on")]
    steps = figures.total_steps if figures else _STEPS_WITHOUT_DATA
    return DraftView(
        recipe=recipe.model_dump(mode="json"),
        problems=problems,
        warnings=list(_warnings(recipe, figures)),
        figures=figures,
        rates=_course(recipe, steps),
    )


def _missing(services: Services, tenant_id: str, recipe: TrainConfig) -> Iterator[DraftNote]:
    """Datasets and models that are named and not there."""
    home = services.home(tenant_id)
    for reference in dict.fromkeys(references(recipe.data)):
        try:
            find_version(home, reference)
        except TunesmithError as error:
            yield DraftNote("data.train", error.message, error.hint)
            return
    try:
        find_inputs(services, tenant_id, name=recipe.name, model=recipe.model, data=recipe.data)
    except TunesmithError as error:
        yield DraftNote("model", error.message, error.hint)


def _figures(services: Services, tenant_id: str, recipe: TrainConfig) -> DraftFigures:
    home, training = services.home(tenant_id), recipe.training
    num_examples = num_characters = 0
    for entry in recipe.data.train:
        stats = find_version(home, entry.dataset).stats
        num_examples += round(stats.num_examples * entry.weight)
        characters = sum(role.num_characters for role in stats.roles.values())
        num_characters += round(characters * entry.weight)
    num_held_out, num_measured = _held_out(recipe.data.validation, num_examples)
    share = 1 - num_held_out / num_examples if num_examples else 1
    batch = training.batch_size * training.gradient_accumulation
    steps_per_epoch = ceil((num_examples - num_held_out) / batch)
    return DraftFigures(
        num_examples=num_examples - num_held_out,
        num_validation_examples=num_measured,
        num_characters=round(num_characters * share),
        effective_batch=batch,
        steps_per_epoch=steps_per_epoch,
        total_steps=training.epochs * steps_per_epoch,
    )


def _held_out(validation: Validation, num_examples: int) -> tuple[int, int]:
    """How many examples are taken from the training data, and how many are measured."""
    match validation:
        case SplitValidation():
            wanted = ceil(num_examples * validation.percent / 100)
            measured = min(wanted, validation.max_examples)
            return (wanted if validation.mode == "seed-exact" else measured), measured
        case FoldValidation():
            held_out = num_examples // validation.folds
            return held_out, min(held_out, validation.max_examples)
        case DatasetValidation():
            return 0, validation.max_examples
        case NoValidation():
            return 0, 0


def _warnings(recipe: TrainConfig, figures: DraftFigures | None) -> Iterator[DraftNote]:
    for sentence in recipe.warnings():
        yield DraftNote(sentence.partition(" = ")[0], sentence)
    every = recipe.checkpoint.every_steps
    if figures is not None and every > figures.total_steps > 0:
        yield DraftNote(
            "checkpoint.every_steps",
            f"checkpoint.every_steps = {every} exceeds the run's {figures.total_steps} steps: only "
            "validations, minutes and the last step are saved",
        )


def _course(recipe: TrainConfig, total_steps: int) -> list[tuple[int, float]]:
    schedule = make_schedule(recipe, total_steps=max(1, total_steps))
    return [(step + 1, schedule.rate(step)) for step in _evenly(max(1, total_steps))]


def _evenly(total_steps: int) -> Sequence[int]:
    """Steps from the first to the last, at most as many as are drawn."""
    if total_steps <= _NUM_RATES:
        return range(total_steps)
    return [round(place * (total_steps - 1) / (_NUM_RATES - 1)) for place in range(_NUM_RATES)]
