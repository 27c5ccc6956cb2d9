"""`make chaos`: kill, freeze and starve the service's real processes; the queue must lose nothing.

Prints one line a figure and ends with 1 if one is not met. The seed decides which processes are
killed when; histories of all jobs are kept in build/chaos.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.databases import PostgresServer
from tests.proofs.chaos.at_failpoints import PLACES, run_failpoints
from tests.proofs.chaos.figures import Figure
from tests.proofs.chaos.frozen import run_frozen
from tests.proofs.chaos.installation import Installation
from tests.proofs.chaos.kills import run_kills
from tests.proofs.chaos.outages import run_outage
from tests.proofs.chaos.streams import run_streams
from tests.proofs.chaos.submits import run_submits

KEPT = Path("build/chaos")


@dataclass(frozen=True)
class Extent:
    """How much to do."""

    seed: int
    kills: int
    jobs: int
    repeats: int
    places: Sequence[str]
    freezes: int
    submits: int
    drops: int
    seconds: float
    epochs: int


Proof = Callable[[Installation, Extent, Path], Iterator[Figure]]

PROOFS: Mapping[str, Proof] = {
    "kills": lambda site, extent, history: run_kills(
        site, num_kills=extent.kills, num_jobs=extent.jobs, seed=extent.seed, history=history
    ),
    "failpoints": lambda site, extent, history: run_failpoints(
        site,
        repeats=extent.repeats,
        places=extent.places,
        seed=extent.seed,
        history=history,
    ),
    "frozen": lambda site, extent, history: run_frozen(
        site, num_trials=extent.freezes, seed=extent.seed, history=history
    ),
    "submits": lambda site, extent, history: run_submits(
        site, num_submits=extent.submits, seed=extent.seed
    ),
    "streams": lambda site, extent, history: run_streams(
        site, num_drops=extent.drops, epochs=extent.epochs, seed=extent.seed
    ),
    "outage": lambda site, extent, history: run_outage(
        site, seconds=extent.seconds, epochs=extent.epochs, history=history
    ),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.chaos", description=__doc__)
    parser.add_argument("proofs", nargs="*", choices=[*PROOFS, []], help="all by default")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=200, help="random kills of R1")
    parser.add_argument("--jobs", type=int, default=50, help="jobs in the queue of R1")
    parser.add_argument("--repeats", type=int, default=10, help="kills at each place of R2")
    parser.add_argument("--places", nargs="+", default=PLACES, choices=PLACES, metavar="PLACE")
    parser.add_argument("--freezes", type=int, default=50, help="workers frozen in R3")
    parser.add_argument("--submits", type=int, default=500, help="submits of R4")
    parser.add_argument("--drops", type=int, default=100, help="dropped event streams of R14")
    parser.add_argument("--seconds", type=float, default=60, help="outage of R15")
    parser.add_argument("--epochs", type=int, default=50, help="of the training in R14 and R15")
    arguments = vars(parser.parse_args())
    proofs, database = arguments.pop("proofs") or PROOFS, arguments.pop("database")
    extent = Extent(**arguments)
    all_met = True
    for each in ("sqlite", "postgresql") if database == "both" else (database,):
        for name in proofs:
            for figure in run_proof(name, each, extent):
                print(f"{each:10} {figure}", flush=True)
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
