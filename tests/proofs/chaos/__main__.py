"""`make chaos`: kill, freeze and starve the service's real processes; the queue must lose nothing.

Prints one line a figure and ends with 1 if one is not met. The seed decides which processes are
killed when; histories of all jobs are kept in build/chaos.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.databases import PostgresServer
from tests.proofs.chaos.figures import Figure
from tests.proofs.chaos.installation import Installation
from tests.proofs.chaos.kills import run_kills

KEPT = Path("build/chaos")


@dataclass(frozen=True)
class Extent:
    """How much to do."""

    kills: int
    jobs: int
    seed: int


def _kills(site: Installation, extent: Extent, history: Path) -> Iterator[Figure]:
    return run_kills(
        site, num_kills=extent.kills, num_jobs=extent.jobs, seed=extent.seed, history=history
    )


PROOFS: Mapping[str, Callable[[Installation, Extent, Path], Iterator[Figure]]] = {
    "kills": _kills,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.chaos", description=__doc__)
    parser.add_argument("proofs", nargs="*", choices=[*PROOFS, []], help="all by default")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--kills", type=int, default=200, help="random kills of R1")
    parser.add_argument("--jobs", type=int, default=50, help="jobs in the queue of R1")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    extent = Extent(arguments.kills, arguments.jobs, arguments.seed)
    both = ("sqlite", "postgresql")
    all_met = True
    for database in both if arguments.database == "both" else (arguments.database,):
        for name in arguments.proofs or PROOFS:
            for figure in run_proof(name, database, extent):
                print(f"{database:10} {figure}", flush=True)
                all_met &= figure.is_met
    return 0 if all_met else 1


def run_proof(name: str, database: str, extent: Extent) -> Iterator[Figure]:
    """One proof on an installation of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tunesmith-chaos-")))
        postgres = None
        if database == "postgresql":
            postgres = stack.enter_context(PostgresServer(durable=True))
        site = stack.enter_context(Installation(folder, postgres))
        history = KEPT / f"{name}-{database}-seed{extent.seed}.jsonl"
        yield from PROOFS[name](site, extent, history)


if __name__ == "__main__":
    sys.exit(main())
