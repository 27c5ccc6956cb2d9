"""What a request of OpenAI's clients comes to, and what is read back of a training."""

import io
import json
from collections.abc import Generator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tunesmith.errors import NameInvalid, RecipeInvalid
from tunesmith.events import read_events_backwards
from tunesmith.jobs.folder import EVENTS
from tunesmith.service import files, people
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.config import ServiceConfig
from tunesmith.service.fine_tuning_requests import FineTuningRequest, to_training
from tunesmith.service.paths import hide_paths
from tunesmith.service.registry import model_id
from tunesmith.service.services import Services, open_services
from tunesmith.service.training_metrics import as_csv, estimate_finish, read_metrics
from tunesmith.store.home import Home
from tunesmith.training.config import TrainConfig

World = tuple[Services, Actor, str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    """An installation, the owner of its tenant, and a file of theirs."""
    services = open_services(ServiceConfig(), Home(tmp_path_factory.mktemp("world")))
    secret = people.ensure_setup_secret(services)
    assert secret is not None
    founded = people.found(
        services, secret=secret, email="a@b.c", password="0123456789", tenant="acme"
    )
    actor = authenticate(services, founded.key)
    assert actor is not None
    file = files.store_file(
        services, io.BytesIO(b"{}"), filename="x.jsonl", purpose="fine-tune", actor=actor
    )
    yield services, actor, file.id
    services.database.close()


def _recipe(world: World, **asked: Any) -> TrainConfig:
    services, actor, file_id = world
    values = {"model": "smollm2-135m", "training_file": file_id, **asked}
    request = FineTuningRequest.model_validate(values)
    return to_training(services, actor.tenant_id, request).recipe


def test_what_is_left_out_or_auto_is_the_default_of_recipes(world: World) -> None:
    automatic = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}
    expected = TrainConfig.model_validate(
        {"name": "ft-smollm2-135m", "model": "smollm2-135m", "data": {"train": world[2]}},
        strict=False,
    )
    assert _recipe(world) == expected
    assert _recipe(world, hyperparameters=automatic) == expected


@pytest.mark.parametrize(("method", "usual"), [("lora", 1e-4), ("full", 2e-5)])
def test_the_multiplier_multiplies_the_rate_of_the_method(
    world: World, method: str, usual: float
) -> None:
    recipe = _recipe(
        world,
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"learning_rate_multiplier": 0.5}},
        },
        recipe={"method": {"kind": method}},
    )
    assert recipe.training.learning_rate == pytest.approx(0.5 * usual)


def test_recipe_reaches_every_setting_and_wins(world: World) -> None:
    recipe = _recipe(
        world,
        validation_file=world[2],
        seed=1,
        hyperparameters={"n_epochs": 2, "batch_size": 4},
        recipe={
            "seed": 3,
            "precision": "fp32",
            "training": {"epochs": 5, "weight_decay": 0.1},
            "data": {"max_length": 64, "validation": {"max_examples": 7}},
        },
    )
    assert (recipe.seed, recipe.precision, recipe.data.max_length) == (3, "fp32", 64)
    assert (recipe.training.epochs, recipe.training.batch_size) == (5, 4)
    assert recipe.training.weight_decay == 0.1
    assert recipe.data.validation.model_dump(include={"kind", "dataset", "max_examples"}) == {
        "kind": "dataset",
        "dataset": world[2],
        "max_examples": 7,
    }


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        ("my-model", "my-model"),
        ("v1.2 final", "v1-2-final"),
        ("客服", "客服"),
        ("", "ft-smollm2-135m"),
    ],
)
def test_a_suffix_becomes_a_name(world: World, suffix: str, name: str) -> None:
    assert _recipe(world, suffix=suffix).name == name


def test_what_no_name_or_setting_can_be_is_refused(world: World) -> None:
    with pytest.raises(NameInvalid):
        _recipe(world, suffix="latest")
    with pytest.raises(RecipeInvalid, match="weight_decay"):
        _recipe(world, recipe={"training": {"weight_decay": 5}})


@pytest.mark.parametrize("base", ["smollm2-135m", "smollm2-135m@2", "ft:smollm2-135m:acme:x:12"])
def test_ids_of_models_name_their_root(base: str) -> None:
    job = "ftjob-0123456789abcdef01234567"
    made = model_id(base=base, tenant="acme", name="bot", job_id=job)
    assert made == "ft:smollm2-135m:acme:bot:cdef01234567"


def test_places_on_the_server_are_not_told(world: World) -> None:
    services, actor, _ = world
    tenant = services.home(actor.tenant_id).folder
    told = {"message": f"{tenant}/files/x, row 3; {services.installation.models}/m", "n": [1, "a"]}
    assert hide_paths(services, actor.tenant_id, told) == {
        "message": "files/x, row 3; models/m",
        "n": [1, "a"],
    }


# --- what a training measured ----------------------------------------------------------------

BEGAN = datetime.fromisoformat("2026-01-01T00:00:00+00:00")


def _run(folder: Path, *events: dict[str, Any]) -> Path:
    """A run whose events came a second apart."""
    lines = [
        json.dumps({"seq": seq, "time": (BEGAN + timedelta(seconds=seq)).isoformat(), **event})
        for seq, event in enumerate(events, start=1)
    ]
    (folder / EVENTS).write_text("".join(f"{line}\n" for line in lines) + '{"seq": 99, "ti')
    return folder


def _step(number: int, *, loss: float = 1.5) -> dict[str, Any]:
    return {"kind": "step", "step": number, "loss": loss, "accuracy": 0.5, "num_tokens": 10}


def _started(step: int) -> dict[str, Any]:
    return {"kind": "started", "from_step": step, "total_steps": 10}


def test_events_are_read_backwards_without_a_torn_line(tmp_path: Path) -> None:
    run = _run(tmp_path, _started(0), _step(1), _step(2))
    assert [event["seq"] for event in read_events_backwards(run / EVENTS)] == [3, 2, 1]
    (run / EVENTS).write_text("")
    assert list(read_events_backwards(run / EVENTS)) == []
    assert list(read_events_backwards(run / "gone")) == []


def test_metrics_leave_out_what_a_resume_took_back(tmp_path: Path) -> None:
    validation = {"kind": "evaluated", "step": 2, "loss": 1.25, "accuracy": 0.75}
    run = _run(tmp_path, _started(0), _step(1), _step(2, loss=9), _started(1), _step(2), validation)
    metrics = read_metrics(run)
    assert metrics.num_tokens == 20
    assert as_csv(metrics).splitlines() == [
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy",
        "1,1.5,0.5,,",
        "2,1.5,0.5,1.25,0.75",
    ]


def test_the_end_is_estimated_from_the_pace_of_this_attempt(tmp_path: Path) -> None:
    assert estimate_finish(tmp_path, total_steps=10) is None
    steps = [_step(number) for number in (1, 2, 3)]
    run = _run(tmp_path, _started(0), _step(1), _started(0), *steps)
    # Three steps, a second each; seven are left after the event of second 6.
    assert estimate_finish(run, total_steps=10) == BEGAN + timedelta(seconds=6 + 7)
