"""A small run of `make outbox`."""

from pathlib import Path

from tests.proofs.outbox import try_outbox


def test_killed_dispatchers_lose_no_event(tmp_path: Path) -> None:
    figures = try_outbox(tmp_path / "home", num_events=10, seed=1, most_seconds=90)
    assert figures.num_messages == 20
    assert figures.num_missing == figures.num_unknown == 0
    assert figures.num_kills >= 2
