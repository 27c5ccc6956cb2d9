"""R3: a worker stands still past its lease, another takes its job, and the first one wakes up."""

import random
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.proofs.chaos import work
from tests.proofs.chaos.figures import Figure, none_of
from tests.proofs.chaos.history import keep, read_histories
from tests.proofs.chaos.installation import DATASET, Installation, Process, wait_for
from tests.training.runs import counting_rows
from tunesmith.store.tables import TERMINAL

_TRAINING = "short"
_TRAINING_EVERY = 5  # trials; the others import, whose process ends while its worker is frozen
_LONGEST_LIFE = 1.0  # seconds that a worker has its job before it freezes


def run_frozen(
    site: Installation, *, num_trials: int, seed: int, history: Path
) -> Iterator[Figure]:
    """Freeze a worker for two leases while it holds a job, `num_trials` times."""
    chance = random.Random(seed)
    site.start_server()
    workers = dict([site.start_known_worker()])
    wait_for(site.answers, what="the server")
    expected = work.prepare(site, [_TRAINING])
    workers |= [site.start_known_worker()]
    num_attempts = num_refused = 0
    while num_refused < num_trials and num_attempts < 2 * num_trials:
        is_training = num_attempts % _TRAINING_EVERY == 0
        job_id = _submit(site, num_attempts, is_training=is_training)
        num_attempts += 1
        num_refused += _freeze_holder(site, workers, job_id, after=chance.uniform(0, _LONGEST_LIFE))
    histories = read_histories(site.services)
    keep(histories, history)
    faults = work.check(histories, site.accepted, expected=expected)
    faults += ["a stale write was not seen"] * (num_trials - num_refused)
    measured = f"{num_refused} stale writes refused, {len(histories)} jobs"
    yield none_of("R3 two workers on one job", "1 result, stale writes refused", measured, faults)


def _submit(site: Installation, number: int, *, is_training: bool) -> str:
    if is_training:
        return site.submit(work.training(_TRAINING), key=f"job {number}")
    file = site.upload(counting_rows(first=number + 1))
    return site.submit(
        {"kind": "import", "name": f"{DATASET}-{number}", "file": file}, key=f"job {number}"
    )


def _freeze_holder(
    site: Installation, workers: Mapping[str, Process], job_id: str, *, after: float
) -> bool:
    """Freeze whoever holds the job; whether somebody else took it and the holder was refused.

    Not so if the job was done before, or if the holder froze within a transaction: then the
    database keeps the others out as well, and the job stays his.
    """
    holder = workers[wait_for(lambda: site.row(job_id).worker_id, what="a worker for the job")]
    time.sleep(after)
    token = site.row(job_id).token
    holder.signal(signal.SIGSTOP)
    time.sleep(2 * site.lease_seconds)
    holder.signal(signal.SIGCONT)
    wait_for(lambda: site.row(job_id).status in TERMINAL, what="the end of the job")
    if site.row(job_id).token <= token + 1:  # the holder ended it himself
        return False
    wait_for(lambda: f"job {job_id} is in other hands" in holder.log.read_text(), what="a refusal")
    return True
