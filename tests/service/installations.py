"""An installation with one tenant and what a small training needs."""

import shutil
from pathlib import Path

from tests.training.runs import counting_rows, recipe
from tunesmith.artifacts import commit_folder
from tunesmith.service import datasets, people
from tunesmith.service.access import Actor, authenticate
from tunesmith.service.job_requests import TrainRequest
from tunesmith.service.runs import recipe_of
from tunesmith.service.services import Services

BASE_MODEL = "smollm2-135m"  # a name of the catalog, under which a tiny model lies
DATASET = "counting"


def set_up(services: Services, tiny_model: Path) -> Actor:
    """The first owner, beside a tiny base model and the dataset `counting`."""
    services.installation.folder.mkdir(parents=True)
    secret = people.ensure_setup_secret(services)
    assert secret is not None
    founded = people.found(
        services, secret=secret, email="a@b.c", password="0123456789", tenant="acme"
    )
    actor = authenticate(services, founded.key)
    assert actor is not None
    commit_folder(
        services.installation.models / BASE_MODEL,
        kind="base-model",
        write=lambda target: shutil.copytree(tiny_model, target, dirs_exist_ok=True) and None,
    )
    source = services.installation.folder / "counting.jsonl"
    source.write_text("\n".join(counting_rows()) + "\n", "utf-8")
    datasets.add_dataset(services.home(actor.tenant_id), source, name=DATASET)
    return actor


def training(name: str = "tiny-run", *, epochs: int = 3, **changes: object) -> TrainRequest:
    """A training of five steps an epoch."""
    values = recipe(BASE_MODEL, name=name, data={"train": DATASET}, training={"epochs": epochs})
    return TrainRequest(recipe=recipe_of(values | changes))
