"""`make chaos`: kill, freeze and starve the service's real processes; the queue must lose nothing.

Prints one line a figure and ends with 1 if one is not met. The seed decides which processes are
killed when; histories of all jobs are kept in build/chaos.
"""

import argparse
import signal
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
from tests.proofs.chaos.soak import run_soak
from tests.proofs.chaos.streams import run_streams
from tests.proofs.chaos.submits import run_submits

KEPT = Path("build/chaos")


@dataclass(frozen=True)
class Extent:
    """How much to do: by default, what the figures ask for."""

    seed: int = 0
    kills: int = 200
    jobs: int = 50
    repeats: int = 10
    places: Sequence[str] = PLACES
    freezes: int = 50
    submits: int = 500
    drops: int = 100
    small: int = 2000
    seconds: float = 60.0
    epochs: int = 50


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
    "soak": lambda site, extent, history: run_soak(site, num_jobs=extent.small, history=history),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.chaos", description=__doc__)
    parser.add_argument("proofs", nargs="*", choices=[*PROOFS, []], help="all by default")
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--places", nargs="+", choices=PLACES, metavar="PLACE", help="of R2")
    for name, meaning in _NUMBERS.items():
        default = getattr(Extent, name)
        parser.add_argument(f"--{name}", type=type(default), default=default, help=meaning)
    given = vars(parser.parse_args())
    proofs, database = given.pop("proofs") or PROOFS, given.pop("database")
    extent = Extent(**{name: value for name, value in given.items() if value is not None})
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # its processes end with it
    all_met = True
    for each in ("sqlite", "postgresql") if database == "both" else (database,):
        for name in proofs:
            for figure in run_proof(name, each, extent):
                print(f"{each:10} {figure}", flush=True)
                all_met &= figure.is_met
    return 0 if all_met else 1


_NUMBERS: Mapping[str, str] = {
    "seed": "decides what is killed when",
    "kills": "random kills of R1",
    "jobs": "jobs in the queue of R1",
    "repeats": "kills at each place of R2",
    "freezes": "workers frozen in R3",
    "submits": "submits of R4",
    "drops": "dropped event streams of R14",
    "small": "small jobs of R18",
    "seconds": "outage of PostgreSQL in R15; SQLite is locked for half as long",
    "epochs": "of the training in R14 and R15",
}


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
