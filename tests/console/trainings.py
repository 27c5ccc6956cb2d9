"""Datasets and real trainings of the tiny model for pages to show, made by the use cases."""

import io
import time
from collections.abc import Mapping
from pathlib import Path

from tests.api.openai_client import chats
from tests.api.serving import BASE, Served
from tunesmith.jobs.folder import EVENTS
from tunesmith.service import files, jobs
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.job_requests import ImportRequest, JobOptions, TrainRequest
from tunesmith.service.job_views import JobView
from tunesmith.service.preparation import job_folder
from tunesmith.service.runs import recipe_of
from tunesmith.service.submitting import submit_job
from tunesmith.store.tables import Job

_PATIENCE_SECONDS = 90


def actor_of(served: Served, key: str | None = None) -> Actor:
    """Who holds a key; the owner's by default."""
    actor = authenticate(served.services, key or served.key)
    assert actor is not None
    return actor


def add_dataset(served: Served, actor: Actor, name: str, *, num_examples: int = 12) -> None:
    """A dataset of small conversations, imported by the worker."""
    content = io.BytesIO(chats(num_examples))
    file = files.store_file(
        served.services, content, filename=f"{name}.jsonl", purpose="fine-tune", actor=actor
    )
    job = submit_job(served.services, ImportRequest(name=name, file=file.id), actor=actor)
    wait_for(served, actor, job.id, "succeeded")


def train(
    served: Served,
    actor: Actor,
    name: str,
    dataset: str,
    *,
    pool: str | None = None,
    start_from: str | None = None,
    samples: Mapping[str, object] | None = None,
    **training: object,
) -> str:
    """The id of a new run on the tiny model, two examples a step."""
    settings = {"epochs": 3, "batch_size": 2, "evaluate_every": 5, **training}
    recipe = recipe_of(
        {
            "name": name,
            "model": BASE,
            "data": {"train": dataset},
            "training": settings,
            "samples": samples or {},
        }
    )
    request = TrainRequest(recipe=recipe, start_from=start_from)
    return submit_job(served.services, request, actor=actor, options=JobOptions(pool=pool)).id


def wait_for(served: Served, actor: Actor, job_id: str, *statuses: str) -> JobView:
    """The job as soon as it is in one of these states."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        job = jobs.get_job(served.services, actor.tenant_id, job_id)
        if job.status in statuses:
            return job
        assert job.status not in ("failed", "cancelled"), job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def events_of(served: Served, run_id: str) -> Path:
    """The file of a run's events."""
    with served.services.database.reading() as db:
        return job_folder(served.services, db.get_one(Job, run_id)) / EVENTS
