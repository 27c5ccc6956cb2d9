"""Small runs of `make canary` and `make serving-soak`."""

from pathlib import Path

import pytest

from tests.api.world import make_world, scratch_folder
from tests.proofs.canary import PROBES, make_site, run_probes
from tests.proofs.serving_soak import run_soak


def test_another_tenant_sees_nothing() -> None:
    with scratch_folder() as folder:
        world = make_world(folder)
        [figure] = run_probes(make_site(world), count=3 * len(PROBES), seed=1)
        world.services.database.close()
    assert figure.is_met, str(figure)


@pytest.mark.timeout(600)
def test_no_wrong_adapter_answers(tmp_path: Path) -> None:
    wrong, answers, *_ = run_soak(
        tmp_path, seconds=12, num_adapters=2, num_clients=3, num_kills=1, seed=1
    )
    assert wrong.is_met, str(wrong)
    assert answers.is_met, str(answers)
