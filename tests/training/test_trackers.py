"""Metrics reach trackers step by step, across kills, and cost a run nothing."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

from tests.training import runs as small
from tunesmith.errors import RecipeInvalid
from tunesmith.events import current_history, read_events
from tunesmith.service import engine, runs
from tunesmith.store.home import Home
from tunesmith.training.trackers import follow
from tunesmith.training.trackers.sinks import TRACKERS, Tracker

World = tuple[Home, Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small.make_home(tmp_path_factory.mktemp("trackers"))


def _scalars(folder: Path) -> Iterator[tuple[str, int, float]]:
    for path in sorted((folder / "trackers" / "tensorboard").iterdir()):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                yield value.tag, event.step, value.tensor.float_val[0]


def test_a_killed_run_goes_on_in_the_same_tracker_without_repeating_steps(world: World) -> None:
    home, base = world
    folder = small.create(home, small.recipe(base, trackers=["tensorboard"]))
    small.run_until_killed(folder, "loop.after_step:7")
    small.run_to_end(folder)

    losses = [(step, value) for tag, step, value in _scalars(folder) if tag == "train/loss"]
    assert len(losses) - len(dict(losses)) <= 1, "the step at which it was killed at most"
    history = current_history(read_events(folder / "events.jsonl"))
    told = {event["step"]: event["loss"] for event in history if event["kind"] == "step"}
    assert dict(losses) == pytest.approx(told)
    measured = [step for tag, step, _ in _scalars(folder) if tag == "validation/loss"]
    assert measured == [5, 10, 15]

    plain = small.create(home, small.recipe(base))
    small.run_to_end(plain)
    weights = "adapter_model.safetensors"
    assert small.result_bytes(folder)[weights] == small.result_bytes(plain)[weights]
    assert runs.find_equal_run(home, runs.read_job(plain)) is not None
    assert runs.read_job(folder).identity == runs.read_job(plain).identity


def test_a_tracker_that_fails_costs_a_warning_and_catches_up_later(world: World) -> None:
    home, base = world
    folder = small.create(home, small.recipe(base, trackers=["tensorboard"]))
    blocked = folder / "trackers" / "tensorboard"
    blocked.parent.mkdir()
    blocked.write_text("no folder can be made here")
    small.run_until_killed(folder, "loop.after_step:12")
    warnings = [
        e["message"] for e in read_events(folder / "events.jsonl") if e["kind"] == "warning"
    ]
    assert len(warnings) == 1
    assert warnings[0].startswith("tracker tensorboard failed")

    blocked.unlink()
    small.run_to_end(folder)
    steps = [step for tag, step, _ in _scalars(folder) if tag == "train/loss"]
    assert steps == list(range(1, 16))


def test_a_tracker_that_hangs_is_left_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    class Hanging:
        def __init__(self, config: object, run: object) -> None:
            answers.wait()
            raise ConnectionError("too late")

    home, base = world
    monkeypatch.setattr(follow, "_PATIENCE_SECONDS", 0.1)
    monkeypatch.setitem(TRACKERS, "tensorboard", Tracker("tensorboard", Hanging))  # pyright: ignore
    folder = small.create(home, small.recipe(base, trackers=["tensorboard"]))
    runs.run(folder, listener=lambda event: None)  # would not end before the tracker answers
    answers.set()
    *_, warning, finished = read_events(folder / "events.jsonl")
    assert (warning["kind"], finished["kind"]) == ("warning", "finished")
    assert "did not take all metrics in time" in warning["message"]


def test_a_missing_package_is_one_sentence_before_anything_starts(world: World) -> None:
    home, base = world
    folder = small.create(home, small.recipe(base, trackers=[{"kind": "comet", "project": "x"}]))
    with pytest.raises(RecipeInvalid, match="comet is not installed") as refusal:
        engine.load().plan_training(runs.read_job(folder), runs=home.runs, emit=lambda event: None)
    assert "pip install 'tunesmith[comet]'" in refusal.value.hint


@pytest.mark.parametrize(
    ("trackers", "problem"),
    [
        (["tensorbord"], "tensorboard"),
        (["wandb", {"kind": "wandb", "project": "x"}], "each tracker may be named once"),
        ([{"kind": "tensorboard", "uri": "http://x"}], "uri"),
    ],
)
def test_bad_trackers_are_refused(world: World, trackers: list[object], problem: str) -> None:
    with pytest.raises(RecipeInvalid, match=problem):
        runs.recipe_of(small.recipe(world[1], trackers=trackers))
