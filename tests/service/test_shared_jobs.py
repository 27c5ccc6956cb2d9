"""Jobs that others wait for: shared, and made again where what they made is gone."""

import io
from typing import Any

import pytest
from sqlalchemy import update

from tests.conftest import make_tiny_model
from tunesmith.artifacts import commit_folder
from tunesmith.errors import Conflict
from tunesmith.service import files, jobs, submitting
from tunesmith.service.access import Actor
from tunesmith.service.files import FileView
from tunesmith.service.job_requests import TrainRequest
from tunesmith.service.services import Services
from tunesmith.store.tables import Job
from tunesmith.training.config import TrainConfig


@pytest.fixture
def upload(services: Services, actor: Actor) -> FileView:
    def write(folder: Any) -> None:
        make_tiny_model(folder)

    commit_folder(services.installation.models / "smollm2-135m", kind="base-model", write=write)
    row = b'{"prompt": "a", "completion": "b"}\n'
    return files.store_file(
        services, io.BytesIO(row), filename="rows.jsonl", purpose="fine-tune", actor=actor
    )


def _request(file_id: str, *, name: str = "tuned") -> TrainRequest:
    recipe = {"name": name, "model": "smollm2-135m", "data": {"train": file_id}}
    return TrainRequest(recipe=TrainConfig.model_validate(recipe, strict=False))


def _imports(services: Services, actor: Actor) -> list[str]:
    views, _ = jobs.list_jobs(
        services, actor.tenant_id, matching=jobs.JobFilter(kinds=["import"]), limit=100
    )
    return [view.id for view in views]


def test_two_trainings_on_one_file_wait_for_one_import(
    services: Services, actor: Actor, upload: FileView
) -> None:
    for name in ("one", "two"):
        submitting.submit_job(services, _request(upload.id, name=name), actor=actor)
    assert len(_imports(services, actor)) == 1


def test_what_a_needed_job_made_is_made_again_when_it_is_gone(
    services: Services, actor: Actor, upload: FileView
) -> None:
    submitting.submit_job(services, _request(upload.id), actor=actor)
    [first] = _imports(services, actor)
    with services.database.transaction() as db:  # it succeeded, and its dataset was deleted
        db.execute(update(Job).where(Job.id == first).values(status="succeeded"))
    later = submitting.submit_job(services, _request(upload.id), actor=actor)
    second = next(each for each in _imports(services, actor) if each != first)
    assert second in later.waits_for


def test_a_repeated_request_finds_its_job_though_its_file_is_gone(
    services: Services, actor: Actor, upload: FileView
) -> None:
    request = _request(upload.id)
    job = submitting.submit_job(services, request, actor=actor, idempotency_key="k")
    for each in _imports(services, actor):
        jobs.cancel_job(services, actor.tenant_id, each)
    files.delete_file(services, actor.tenant_id, upload.id)
    assert submitting.submit_job(services, request, actor=actor, idempotency_key="k").id == job.id
    with pytest.raises(Conflict):
        submitting.submit_job(
            services, _request(upload.id, name="other"), actor=actor, idempotency_key="k"
        )


def test_a_key_of_ones_own_never_meets_a_shared_one(
    services: Services, actor: Actor, upload: FileView
) -> None:
    submitting.submit_job(services, _request(upload.id), actor=actor)
    with services.database.reading() as db:
        shared = db.get_one(Job, _imports(services, actor)[0]).idempotency_key
    mine = submitting.submit_job(services, _request(upload.id), actor=actor, idempotency_key=shared)
    assert mine.kind == "train"
