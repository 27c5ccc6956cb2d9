"""A smoke of `make chaos`: the same proofs, a few kills each."""

import pytest

from tests.proofs.chaos.__main__ import Extent, run_proof

FEW = Extent(kills=3, jobs=1, submits=4, drops=4, epochs=1)


@pytest.mark.timeout(300)  # of real processes, on a machine that may do other things as well
@pytest.mark.parametrize(
    ("proof", "database"),
    [("kills", "sqlite"), ("submits", "postgresql"), ("streams", "sqlite")],
)
def test_a_few_kills_lose_nothing(
    proof: str, database: str, request: pytest.FixtureRequest
) -> None:
    if database == "postgresql":
        request.getfixturevalue("postgres")  # skips where there is none
    figures = list(run_proof(proof, database, FEW))
    # How long recovery takes is measured alone, not beside other tests.
    failed = [str(each) for each in figures if not each.is_met and "R13" not in each.name]
    assert figures
    assert not failed
