"""`make job-life`: R12, long random walks through the life of jobs on both databases.

Prints one line a database. Where a walk meets a state that the model does not allow, Hypothesis
shows the shortest walk that leads there.
"""

import argparse
import tempfile

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.databases import PostgresServer
from tests.proofs.chaos.figures import Figure
from tests.store.job_life import JobLife
from tunesmith.store.database import Database
from tunesmith.store.tables import Table

TARGET_STEPS = 5000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--walks", type=int, default=150)
    parser.add_argument("--steps", type=int, default=50, help="of each walk, at most")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    all_met = True
    with tempfile.TemporaryDirectory() as folder, PostgresServer(durable=False) as postgres:
        urls = {
            "sqlite": f"sqlite:///{folder}/walks.db",
            "postgresql": postgres.create("walks"),
        }
        for name, url in urls.items():
            figure = _figure(url, arguments)
            print(f"{name:10} {figure}", flush=True)
            all_met &= figure.is_met
    return 0 if all_met else 1


def _figure(url: str, arguments: argparse.Namespace) -> Figure:
    database = Database(url)
    database.migrate()
    num_steps = walk(
        database, num_walks=arguments.walks, num_steps=arguments.steps, chance=arguments.seed
    )
    database.close()
    target, measured = f">= {TARGET_STEPS} steps, 0 illegal", f"{num_steps} steps, 0 illegal"
    return Figure("R12 life of jobs", target, measured, is_met=num_steps >= TARGET_STEPS)


def walk(database: Database, *, num_walks: int, num_steps: int, chance: int) -> int:
    """Walk from an empty queue again and again; the number of steps taken."""
    taken = 0

    class Walk(JobLife):
        @invariant()
        def count(self) -> None:
            nonlocal taken
            taken += 1

        def teardown(self) -> None:
            with database.transaction() as db:
                for table in reversed(Table.metadata.sorted_tables):
                    db.execute(table.delete())

    Walk.database = database
    run_state_machine_as_test(
        seed(chance)(Walk),
        settings=settings(
            max_examples=num_walks,
            stateful_step_count=num_steps,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    return taken


if __name__ == "__main__":
    raise SystemExit(main())
