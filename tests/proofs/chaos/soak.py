"""R18: thousands of small jobs, one after the other; server and worker must stay as they were."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.proofs.chaos import work
from tests.proofs.chaos.figures import Figure, none_of
from tests.proofs.chaos.history import keep, read_histories
from tests.proofs.chaos.installation import DATASET, Installation, wait_for
from tests.training.runs import counting_rows

_TRAINING = "short"
_TRAINING_EVERY = 20  # jobs; the others import
_WAITING = 5  # jobs, so that the worker never looks for one in vain
_WARM = 0.2  # of the jobs, after which caches and pools are full


@dataclass(frozen=True)
class Holding:
    """What a process has of the machine."""

    resident: int
    num_files: int
    num_zombies: int


def run_soak(site: Installation, *, num_jobs: int, history: Path) -> Iterator[Figure]:
    """Run `num_jobs` jobs; compare what server and worker hold late with what they held early."""
    scratch = site.folder / "tmp"
    scratch.mkdir()
    places = {"TMPDIR": str(scratch)}
    processes = {"server": site.start_server(**places), "worker": site.start_worker(**places)}
    wait_for(site.answers, what="the server")
    expected = work.prepare(site, [_TRAINING])
    jobs: list[str] = []
    early: Mapping[str, Holding] = {}
    for number in range(num_jobs):
        jobs.append(_submit(site, number))
        work.wait_for_end(site, jobs[-_WAITING - 1 : -_WAITING])
        if number == int(_WARM * num_jobs):
            early = {name: _holding(process.pid) for name, process in processes.items()}
    work.wait_for_end(site, jobs)
    late = {name: _holding(process.pid) for name, process in processes.items()}
    histories = read_histories(site.services)
    keep(histories, history)
    left = [f"{path} is left behind" for path in scratch.rglob("*") if path.is_file()]
    faults = work.check(histories, site.accepted, expected=expected) + left
    yield none_of("R18 many small jobs", "none lost, no file left", f"{len(jobs)} jobs", faults)
    for name in processes:
        yield _compared(name, early[name], late[name])


def _submit(site: Installation, number: int) -> str:
    if number % _TRAINING_EVERY == 0:
        return site.submit(work.training(_TRAINING), key=f"job {number}")
    file = site.upload(counting_rows(first=number + 1))
    job = {"kind": "import", "name": f"{DATASET}-{number}", "file": file}
    return site.submit(job, key=f"job {number}")


def _holding(pid: int) -> Holding:
    process = psutil.Process(pid)
    states = Counter(child.status() for child in process.children())
    return Holding(
        resident=process.memory_info().rss,
        num_files=process.num_fds(),
        num_zombies=states[psutil.STATUS_ZOMBIE],
    )


def _compared(name: str, early: Holding, late: Holding) -> Figure:
    growth = late.resident / early.resident - 1
    return Figure(
        name=f"R18 memory of the {name}",
        target="memory +5 %, files as before, no zombies",
        measured=f"{early.resident / 1e6:.0f} to {late.resident / 1e6:.0f} MB ({growth:+.1%}), "
        f"{early.num_files} to {late.num_files} open files, {late.num_zombies} zombies",
        is_met=growth < 0.05
        and late.num_files <= early.num_files + _WAITING  # connections come and go
        and late.num_zombies <= 1,  # of the job that has just ended
    )
