"""A smoke of R12; `make job-life` walks further."""

from tests.proofs.job_life import walk
from tunesmith.store.database import Database


def test_random_walks_through_the_life_of_jobs(database: Database) -> None:
    assert walk(database, num_walks=5, num_steps=20, chance=0) > 50
