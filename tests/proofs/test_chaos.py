"""A smoke of `make chaos`: some of its proofs, a few kills each.

Dropped streams have theirs in a browser, whose server is restarted.
"""

import pytest

from tests.proofs.chaos.__main__ import Extent, run_proof

FEW = Extent(kills=2, jobs=1, submits=4, small=2)
# How long recovery takes is measured alone; what is held, after more jobs than these.
_NOT_HERE = ("R13", "R18 memory")


@pytest.mark.timeout(300)  # of real processes, on a machine that may do other things as well
@pytest.mark.parametrize(
    ("proof", "database"),
    [("kills", "sqlite"), ("submits", "postgresql"), ("soak", "sqlite")],
)
def test_a_few_kills_lose_nothing(
    proof: str, database: str, request: pytest.FixtureRequest
) -> None:
    if database == "postgresql":
        request.getfixturevalue("postgres")  # skips where there is none
    figures = list(run_proof(proof, database, FEW))
    failed = [
        str(each) for each in figures if not each.is_met and not each.name.startswith(_NOT_HERE)
    ]
    assert figures
    assert not failed
