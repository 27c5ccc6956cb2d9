"""What is known before the first step equals what the run then does, or the run does not start."""

import json
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_tiny_model
from tests.training.runs import recipe
from tunesmith.errors import DatasetRejected
from tunesmith.jobs import engine
from tunesmith.jobs.engine import Preflight, TrainingPlan
from tunesmith.service import datasets, runs
from tunesmith.store.home import Home
from tunesmith.training.job import TrainJob

Rows = list[dict[str, str]]


class World:
    """A home with a tiny base model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = Home(folder / "home")
        self.base = make_tiny_model(folder / "tiny")

    def add(self, name: str, rows: Rows, **options: Any) -> str:
        source = self.folder / f"{name}.jsonl"
        source.write_text("\n".join(json.dumps(row) for row in rows))
        return datasets.add_dataset(self.home, source, name=name, **options).version

    def job(self, data: dict[str, Any], **changes: Any) -> TrainJob:
        values = recipe(self.base, **changes)
        values["data"] = data
        return runs.prepare_job(self.home, runs.recipe_of(values), now=datetime(2026, 1, 1))

    def plan(self, job: TrainJob) -> TrainingPlan:
        return engine.plan_training(job, runs=self.home.runs, emit=lambda event: None)

    def preflight(self, job: TrainJob) -> Preflight:
        return engine.check_plan(job, self.plan(job), emit=lambda event: None)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("plan"))
    world.add("sums", talks(60, "sum"))
    world.add("words", talks(40, "word " * 3))
    world.add("general", talks(200, "weather"))
    return world


def talks(num_rows: int, about: str) -> Rows:
    return [
        {"prompt": f"{about} {n} " * (1 + n % 3), "completion": f"{about} answer {n}"}
        for n in range(num_rows)
    ]


# --- several datasets ------------------------------------------------------------------------


def test_the_figures_are_those_of_the_steps(world: World) -> None:
    chance = random.Random(1)
    for _ in range(30):
        data = {
            "train": ["sums", {"dataset": "words", "weight": chance.choice([0.3, 1.0, 2.5])}],
            "mix": chance.choice([None, {"dataset": "general", "ratio": 0.3}]),
            "validation": chance.choice(
                ["none", {"percent": chance.randint(1, 50)}, {"kind": "fold", "folds": 3}]
            ),
        }
        training = {
            "epochs": chance.randint(1, 4),
            "batch_size": chance.randint(1, 9),
            "gradient_accumulation": chance.randint(1, 4),
        }
        plan = world.plan(world.job(data, training=training))
        per_epoch = plan.total_steps // training["epochs"]
        batches = [each for step in range(per_epoch) for each in plan.batches.of_step(step)]
        shares = [use.share for use in plan.examples.uses if use.share]
        assert sum(len(each.lengths) for each in batches) == len(plan.examples.train)
        assert sum(each.num_tokens for each in batches) == sum(s.num_tokens for s in shares)
        trained = sum(each.num_trained_tokens for each in batches)
        assert trained == sum(share.num_trained_tokens for share in shares)
        train, validation = (
            set(part.tolist()) for part in (plan.examples.train, plan.validation[1])
        )
        assert not train & validation


def test_a_plan_is_the_same_each_time(world: World) -> None:
    data = {"train": [{"dataset": "sums", "weight": 1.5}, "words"], "mix": {"dataset": "general"}}
    first, second = world.plan(world.job(data)), world.plan(world.job(data))
    assert first.examples.train.tolist() == second.examples.train.tolist()
    other = world.plan(world.job(data, seed=7))
    assert first.examples.train.tolist() != other.examples.train.tolist()


def test_whatever_changes_the_data_changes_the_identity(world: World) -> None:
    choices: list[dict[str, Any]] = [
        {"train": "sums"},
        {"train": ["sums", "words"]},
        {"train": {"dataset": "sums", "weight": 2}},
        {"train": "sums", "mix": {"dataset": "general"}},
        {"train": "sums", "mix": {"dataset": "general", "ratio": 0.2}},
        {"train": "sums", "validation": {"seed": 1}},
        {"train": "sums", "passages": {"overlap": 1}},
    ]
    digests = {json.dumps(world.job(data).identity) for data in choices}
    assert len(digests) == len(choices)
    lenient = world.job({"train": "sums", "max_damaged_percent": 50})
    assert lenient.identity == world.job({"train": "sums"}).identity


def test_another_version_of_the_mix_is_another_run(world: World) -> None:
    data = {"train": "sums", "mix": {"dataset": "changing"}}
    world.add("changing", talks(20, "before"))
    before = world.job(data)
    world.add("changing", talks(20, "after"))
    assert world.job(data).identity != before.identity


# --- refusals --------------------------------------------------------------------------------


@pytest.fixture
def damaged(world: World) -> str:
    """40 rows, of which 1 is rejected at import, 2 are cut and 1 has nothing to train."""
    long, late = "word " * 100, "word " * 400
    rows = [{"prompt": "why", "completion": ""}, *talks(36, "short")]
    rows += [{"prompt": "why", "completion": f"{long} {n}"} for n in range(2)]
    world.add("damaged", [*rows, {"prompt": late, "completion": "x"}], max_rejected_percent=5)
    return "damaged"


def test_too_many_damaged_rows_stop_the_run(world: World, damaged: str) -> None:
    job = world.job({"train": damaged, "max_length": 256})
    with pytest.raises(DatasetRejected) as caught:
        world.plan(job)
    assert caught.value.exit_code == 2
    assert caught.value.message == (
        "dataset damaged: 4 of 40 rows (10.0 %) are damaged: 1 rejected at import, "
        "2 longer than data.max_length, 1 with nothing to train within it; 2 % are allowed"
    )
    assert "--allow 10" in caught.value.hint


def test_damage_that_is_allowed_is_warned_about(world: World, damaged: str) -> None:
    data = {"train": damaged, "max_length": 256, "max_damaged_percent": 10.0}
    plan = world.plan(world.job(data))
    warnings = "\n".join(plan.warnings)
    assert "2 examples are cut at data.max_length = 256 tokens (rows 38, 39)" in warnings
    assert "1 examples have nothing to train and are left out (rows 40)" in warnings
    [use] = plan.examples.uses
    assert (use.num_rows, use.num_rejected, use.num_damaged) == (40, 1, 4)


def test_an_untrained_end_of_an_answer_stops_the_run(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tunesmith.training import examples

    def forgetting(*args: Any, **options: Any) -> Any:
        store = tokenize(*args, **options)
        report = store.report.model_copy(update={"num_whole_unended": 3})
        return type(store)(store.token_ids, store.trained, store.starts, store.rows, report)

    tokenize: Callable[..., Any] = examples.tokenize_dataset
    monkeypatch.setattr(examples, "tokenize_dataset", forgetting)
    with pytest.raises(DatasetRejected, match="end of an answer is not trained in 3 of 60"):
        world.plan(world.job({"train": "sums"}))


# --- preflight -------------------------------------------------------------------------------


def test_the_preflight_reports_the_mix_that_came_out(world: World) -> None:
    data = {"train": ["sums", "words"], "mix": {"dataset": "general", "ratio": 0.25}}
    preflight = world.preflight(world.job(data))
    assert preflight.mix_ratio == pytest.approx(0.25, abs=0.01)
    assert [use.purpose for use in preflight.data] == ["train", "train", "mix"]
    assert preflight.num_tokens == sum(use.share.num_tokens for use in preflight.data if use.share)
    assert preflight.seconds > 0


def test_the_preflight_warns_of_leaked_rows(world: World) -> None:
    rows = talks(30, "leak")
    world.add("leaking", [*rows, *rows])
    preflight = world.preflight(world.job({"train": "leaking", "validation": {"percent": 20}}))
    assert preflight.leakage.num_exact >= 8
    assert any("are in the training data as well" in warning for warning in preflight.warnings)
    apart = world.job({"train": "sums", "validation": "words"})
    assert world.preflight(apart).leakage.num_exact == 0
