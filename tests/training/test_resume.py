"""Kill a run for real, resume it, and compare every byte of its result with an undisturbed run."""

import json
from pathlib import Path

import pytest

from tests.training import runs as small
from tunesmith.artifacts import is_intact
from tunesmith.errors import ResumeRefused
from tunesmith.events import current_history, read_events
from tunesmith.jobs.folder import is_locked, locked
from tunesmith.service import run_views, runs
from tunesmith.store.home import Home
from tunesmith.training.checkpoint import committed_checkpoints, newest_intact

World = tuple[Home, Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small.make_home(tmp_path_factory.mktemp("resume"))


@pytest.fixture(scope="module")
def undisturbed(world: World) -> dict[str, dict[str, bytes]]:
    """Result bytes of runs that were never disturbed, by recipe, made when first asked for."""
    return {}


def _expected(
    world: World, undisturbed: dict[str, dict[str, bytes]], **changes: object
) -> dict[str, bytes]:
    key = json.dumps(changes, sort_keys=True)
    if key not in undisturbed:
        folder = small.create(world[0], small.recipe(world[1], **changes))
        small.run_to_end(folder)
        undisturbed[key] = small.result_bytes(folder)
    return undisturbed[key]


# 15 steps: 5 an epoch, checkpoints at even steps, at 15, and where validation improves (5, 10, 15).
KILLS = {
    "before the first checkpoint": ["loop.after_step:1"],
    "mid-epoch": ["loop.after_step:4"],
    "on an epoch boundary, before it is saved": ["loop.after_step:5"],
    "on an epoch boundary, just after it is saved": ["checkpoint.after_rename:3"],
    "twice within one epoch": ["loop.after_step:7", "loop.after_step:2"],
    "in the second and in the third epoch": ["loop.after_step:8", "loop.after_step:5"],
    "while a checkpoint is written": ["checkpoint.before_manifest:2"],
    "after a checkpoint's manifest, before its rename": ["checkpoint.before_rename:4"],
    "after the last step, while the result is written": ["adapter.before_rename:1"],
}


@pytest.mark.parametrize("failpoints", KILLS.values(), ids=KILLS.keys())
def test_killed_run_resumes_to_the_same_bytes(
    world: World, undisturbed: dict[str, dict[str, bytes]], failpoints: list[str]
) -> None:
    expected = _expected(world, undisturbed)
    folder = small.create(world[0], small.recipe(world[1]))
    for failpoint in failpoints:
        small.run_until_killed(folder, failpoint)
        assert not (folder / "result").exists()
    small.run_to_end(folder)

    assert small.result_bytes(folder) == expected
    history = current_history(read_events(folder / "events.jsonl"))
    steps = [event["step"] for event in history if event["kind"] == "step"]
    assert steps == list(range(1, 16)), "every step once, in order"


@pytest.mark.parametrize(
    "changes",
    [
        {"method": {"kind": "full"}, "precision": "fp32", "training": {"learning_rate": 1e-3}},
        {"precision": "bf16", "training": {"scheduler": "cosine-restarts", "learning_rate": 1e-2}},
    ],
    ids=["full-fp32", "lora-bf16"],
)
def test_every_method_and_precision_resumes_to_the_same_bytes(
    world: World, undisturbed: dict[str, dict[str, bytes]], changes: dict[str, object]
) -> None:
    recipe = small.recipe(world[1], **changes)
    if recipe["method"]["kind"] == "full":
        recipe["method"] = {"kind": "full"}
    whole = small.create(world[0], recipe)
    small.run_to_end(whole)
    killed = small.create(world[0], recipe)
    small.run_until_killed(killed, "loop.after_step:7")
    small.run_to_end(killed)
    assert small.result_bytes(killed) == small.result_bytes(whole)


def test_the_tests_can_fail(world: World, undisturbed: dict[str, dict[str, bytes]]) -> None:
    """Another seed gives other bytes, so equal bytes mean something."""
    assert _expected(world, undisturbed, seed=43) != _expected(world, undisturbed)


def test_a_damaged_checkpoint_is_passed_over(
    world: World, undisturbed: dict[str, dict[str, bytes]]
) -> None:
    expected = _expected(world, undisturbed)
    folder = small.create(world[0], small.recipe(world[1]))
    small.run_until_killed(folder, "loop.after_step:7")
    newest = committed_checkpoints(folder / "checkpoints")[-1]
    weights = newest.weights / "adapter_model.safetensors"
    damaged = bytearray(weights.read_bytes())
    damaged[-3] ^= 1
    weights.write_bytes(bytes(damaged))

    fallback = newest_intact(folder / "checkpoints")
    assert fallback is not None
    assert fallback.step < newest.step
    small.run_to_end(folder)
    assert small.result_bytes(folder) == expected
    assert is_intact(newest.folder), "the damaged checkpoint was written again"


def test_retention_keeps_the_newest_and_the_best(world: World) -> None:
    folder = small.create(
        world[0], small.recipe(world[1], checkpoint={"keep": 2, "every_steps": 2})
    )
    small.run_to_end(folder)
    steps = [checkpoint.step for checkpoint in committed_checkpoints(folder / "checkpoints")]
    assert steps[-2:] == [14, 15]
    assert len(steps) <= 3


def test_changed_recipe_is_refused_with_both_ways_out(world: World) -> None:
    folder = small.create(world[0], small.recipe(world[1]))
    wanted = runs.wanted_recipe(folder, None, ["training.learning_rate=0.5", "training.epochs=9"])
    changed = r"training\.epochs, training\.learning_rate differ"
    with pytest.raises(ResumeRefused, match=changed) as refusal:
        runs.check_resumable(folder, wanted)
    assert "--from" in refusal.value.hint
    assert "extend" in refusal.value.hint
    runs.check_resumable(folder, runs.wanted_recipe(folder, None, ["checkpoint.keep=1"]))


def test_a_job_edited_behind_our_back_is_refused(world: World) -> None:
    folder = small.create(world[0], small.recipe(world[1]))
    small.run_until_killed(folder, "loop.after_step:4")
    job = json.loads((folder / "job.json").read_text())
    job["config"]["training"]["learning_rate"] = 0.5
    (folder / "job.json").write_text(json.dumps(job))
    from tunesmith.jobs.run import run_job

    with pytest.raises(ResumeRefused, match="saved under a different recipe"):
        run_job(folder)


def test_only_one_process_works_on_a_run(world: World) -> None:
    folder = small.create(world[0], small.recipe(world[1]))
    assert not is_locked(folder)
    with locked(folder):
        assert is_locked(folder)
        assert run_views.view_run(folder).status == "running"
        with pytest.raises(ResumeRefused, match="another process"), locked(folder):
            pass
    assert run_views.view_run(folder).status == "interrupted"


def test_extending_goes_on_with_steps_and_data(world: World) -> None:
    from datetime import datetime

    home, base = world
    folder = small.create(home, small.recipe(base, name="short", training={"epochs": 1}))
    small.run_to_end(folder)
    job = runs.extend_run(folder, epochs=2, name="longer", now=datetime(2026, 1, 2))
    extended = runs.create_run(home, job)
    small.run_until_killed(extended, "loop.after_step:5")
    small.run_to_end(extended)

    history = current_history(read_events(extended / "events.jsonl"))
    steps = [event["step"] for event in history if event["kind"] == "step"]
    assert steps == list(range(6, 16))
    undisturbed = runs.create_run(
        home, runs.extend_run(folder, epochs=2, name="longer", now=datetime(2026, 1, 3))
    )
    small.run_to_end(undisturbed)
    assert small.result_bytes(extended) == small.result_bytes(undisturbed)


def test_forking_begins_with_the_weights_of_a_checkpoint(world: World) -> None:
    from datetime import datetime

    home, base = world
    folder = small.create(home, small.recipe(base, name="trunk"))
    small.run_to_end(folder)
    values = small.recipe(base, name="branch", training={"learning_rate": 1e-9, "epochs": 1})
    job = runs.prepare_job(
        home, runs.recipe_of(values), now=datetime(2026, 1, 4), start_from="trunk@15"
    )
    branch = runs.create_run(home, job)
    small.run_to_end(branch)
    first, *_ = (e for e in read_events(branch / "events.jsonl") if e["kind"] == "step")
    trunk = [e for e in read_events(folder / "events.jsonl") if e["kind"] == "step"]
    assert first["loss"] < trunk[0]["loss"]
    with pytest.raises(Exception, match="no checkpoint '999'"):
        runs.prepare_job(
            home, runs.recipe_of(values), now=datetime(2026, 1, 5), start_from="trunk@999"
        )
