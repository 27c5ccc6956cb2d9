"""A run that would fill the disk is refused before it starts."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.training import runs as small
from tunesmith.errors import NotEnoughResources
from tunesmith.service import runs
from tunesmith.training.plan import check_resources, plan_training


def test_checkpoints_beyond_the_free_disk_are_refused(tmp_path: Path) -> None:
    home, base = small.make_home(tmp_path)
    job = runs.prepare_job(home, runs.recipe_of(small.recipe(base)), now=datetime(2026, 1, 1))
    plan = plan_training(job, runs=home.runs, emit=lambda event: None)
    check_resources(replace(plan, disk_free_bytes=plan.disk_bytes))
    with pytest.raises(NotEnoughResources, match="of disk") as refusal:
        check_resources(replace(plan, disk_free_bytes=plan.disk_bytes - 1))
    assert "checkpoint.keep" in refusal.value.hint
