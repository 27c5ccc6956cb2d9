"""A run for every combination of values, checked before any is queued, asked for once."""

import pytest

from tests.service.installations import training
from tunesmith.errors import RecipeInvalid
from tunesmith.service.access import Actor
from tunesmith.service.job_requests import JobOptions
from tunesmith.service.job_views import JobView, list_queue
from tunesmith.service.run_pages import count_runs
from tunesmith.service.services import Services
from tunesmith.service.sweeps import submit_sweep
from tunesmith.store.tables import Job


def _submit(services: Services, actor: Actor, **grid: list[object]) -> list[JobView]:
    paths = {f"training.{name}": values for name, values in grid.items()}
    return submit_sweep(
        services, training(), grid=paths, actor=actor, options=JobOptions(), idempotency_key="k"
    )


def test_every_combination_is_a_run_once(services: Services, actor: Actor) -> None:
    first, again = (
        _submit(services, actor, learning_rate=[1e-5, "auto"], batch_size=[2, 4]) for _ in range(2)
    )
    assert [job.id for job in first] == [job.id for job in again]
    assert count_runs(services, actor.tenant_id) == {"queued": 4}
    with services.database.reading() as db:
        recipes = [db.get_one(Job, job.id).spec["request"]["recipe"] for job in first]
    assert [
        (each["name"], each["training"]["learning_rate"], each["training"]["batch_size"])
        for each in recipes
    ] == [
        ("tiny-run-1", 1e-5, 2),
        ("tiny-run-2", 1e-5, 4),
        ("tiny-run-3", "auto", 2),
        ("tiny-run-4", "auto", 4),
    ]


@pytest.mark.parametrize(
    ("grid", "complaint"),
    [
        ({"epochs": [1, "many"]}, "training.epochs"),
        ({"epocs": [1, 2]}, "training.epocs"),
        ({"epochs": [1, 2, 3], "batch_size": [1, 2, 4]}, "9 runs are too many"),
    ],
)
def test_what_cannot_be_tried_queues_nothing(
    services: Services, actor: Actor, grid: dict[str, list[object]], complaint: str
) -> None:
    with pytest.raises(RecipeInvalid, match=complaint):
        _submit(services, actor, **grid)
    assert list_queue(services, actor.tenant_id) == ([], False)
