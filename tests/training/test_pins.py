"""Pinned checkpoints: kept by a run at work and across kills, and not promised when gone."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cli.command import tunesmith
from tests.training import runs as small
from tunesmith.artifacts import commit_folder, is_intact
from tunesmith.errors import NotFound
from tunesmith.service import run_views
from tunesmith.training.checkpoint import committed_checkpoints, delete_superseded
from tunesmith.training.pins import pinned_steps, set_pin


def _steps(checkpoints: Path) -> list[int]:
    return [checkpoint.step for checkpoint in committed_checkpoints(checkpoints)]


def test_what_is_pinned_outlives_its_turn(tmp_path: Path) -> None:
    home, base = small.make_home(tmp_path)
    values = small.recipe(base, checkpoint={"keep": 1, "every_steps": 2})
    folder = small.create(home, values)
    checkpoints = folder / "checkpoints"
    with pytest.raises(NotFound, match="no checkpoint yet"):
        set_pin(checkpoints, 2, pinned=True)
    small.run_until_killed(folder, "loop.after_step:3")

    def pin(step: str) -> tuple[int, str]:
        done = tunesmith("runs", "pin", "tiny-run", step, home=home.folder)
        return done.code, done.out + done.err

    assert pin("2") == (0, "checkpoint 2 of run tiny-run is pinned\n")
    code, said = pin("4")
    assert code != 0
    assert "there is no checkpoint 4" in said
    assert "there are: 2" in said
    small.run_to_end(folder)
    assert _steps(checkpoints) == [2, 15], "the newest is the best as well"
    details = run_views.show_run(home, folder.name)
    assert (details.checkpoints, details.pinned) == ([2, 15], [2])
    assert "2 (pinned), 15" in tunesmith("runs", "show", "tiny-run", home=home.folder).out

    set_pin(checkpoints, 2, pinned=False)
    delete_superseded(checkpoints, keep=1, best_step=None)
    assert _steps(checkpoints) == [15]


def test_of_pinning_and_deleting_at_once_exactly_one_wins(tmp_path: Path) -> None:
    steps = range(1, 61)
    for step in steps:
        folder = tmp_path / f"step-{step:08d}"
        commit_folder(folder, kind="checkpoint", write=lambda into: (into / "a").touch())

    def pin(step: int) -> bool:
        try:
            set_pin(tmp_path, step, pinned=True)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(3) as pool:
        told = pool.map(pin, steps)
        for keep in range(60, 0, -1):
            delete_superseded(tmp_path, keep=keep, best_step=None)
        pinned = {step for step, done in zip(steps, told, strict=True) if done}
    assert pinned == pinned_steps(tmp_path)
    delete_superseded(tmp_path, keep=1, best_step=None)
    assert set(_steps(tmp_path)) == pinned | {60}
    assert all(is_intact(checkpoint.folder) for checkpoint in committed_checkpoints(tmp_path))
