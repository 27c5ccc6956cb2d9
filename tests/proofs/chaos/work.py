"""The jobs of the proofs: small real trainings, and what undisturbed runs of them end with."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.proofs.chaos.history import JobHistory, faults, read_histories
from tests.proofs.chaos.installation import BASE_MODEL, DATASET, Installation, wait_for
from tests.training.runs import counting_rows, recipe
from tunesmith.store.tables import TERMINAL

GOAL = "0 lost, 0 twice, all done, equal bytes"
_EPOCHS = {"short": 8, "middle": 13, "long": 20}  # of five steps
NAMES = tuple(_EPOCHS)


def training(name: str) -> dict[str, Any]:
    """A training of 40, 65 or 100 steps with a checkpoint every tenth."""
    values = recipe(
        BASE_MODEL,
        name=name,
        data={"train": DATASET},
        training={"epochs": _EPOCHS[name]},
        checkpoint={"every_steps": 10},
    )
    return {"kind": "train", "recipe": values}


def prepare(site: Installation, names: Sequence[str]) -> Mapping[str, str]:
    """Import the dataset and run each training undisturbed; their digests by name."""
    file = site.upload(counting_rows())
    jobs = [site.submit({"kind": "import", "name": DATASET, "file": file}, key="import")]
    wait_for_end(site, jobs)
    wait_for_end(site, [site.submit(training(name), key=f"undisturbed {name}") for name in names])
    histories = read_histories(site.services)
    unsound = [each for each in histories if each.status != "succeeded"]
    assert not unsound, f"undisturbed jobs failed: {unsound}"
    return {each.name: each.digests[0] for each in histories if each.kind == "train"}


def wait_for_end(site: Installation, job_ids: Collection[str]) -> None:
    """Until all of the jobs have ended, however they did."""
    for job_id in job_ids:
        wait_for(
            lambda job_id=job_id: site.row(job_id).status in TERMINAL, what=f"the end of {job_id}"
        )


def check(
    histories: Sequence[JobHistory], accepted: Collection[str], *, expected: Mapping[str, str]
) -> list[str]:
    """Everything wrong with what became of the `accepted` jobs, which should all succeed."""
    made = {history.id for history in histories}
    found = [f"job {id} was accepted and is lost" for id in accepted if id not in made]
    found += [f"job {id} was made twice" for id in made if id not in accepted]
    for history in histories:
        found += [f"job {history.id} {fault}" for fault in faults(history, expected=expected)]
        if history.status != "succeeded":
            found.append(f"job {history.id} is {history.status}: {history.turns[-1].message}")
    return found


def submit_long_training(site: Installation, *, epochs: int) -> str:
    """A training of 161 steps an epoch that has begun; its id."""
    rows = [row for part in range(8) for row in counting_rows(first=1000 * (part + 1))]
    job = {"kind": "import", "name": "long", "file": site.upload(rows)}
    wait_for_end(site, [site.submit(job, key="long import")])
    values = recipe(
        BASE_MODEL,
        name="long",
        data={"train": "long"},
        training={"epochs": epochs, "batch_size": 1, "gradient_accumulation": 1},
        checkpoint={"every_steps": 1000, "keep": 1},
    )
    job_id = site.submit({"kind": "train", "recipe": values}, key="long")
    wait_for(lambda: site.row(job_id).step > 0, what="its first step")
    return job_id
