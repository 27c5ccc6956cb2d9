"""Who is taken for lost."""

from tunesmith.store.leases import LeaseWatch


def watch(*looks: tuple[float, int | None], lease_seconds: float = 10.0) -> list[bool]:
    """Whether a worker is taken for lost at each look, a time and the beat that is seen then.

    A beat of None is a database that does not answer.
    """
    watching = LeaseWatch[str](lease_seconds)
    found: list[bool] = []
    for at, beat in looks:
        if beat is None:
            watching.forget()
            found.append(False)
        else:
            found.append(watching.expired([("w", beat)], at=at) == [("w", beat)])
    return found


def test_a_beat_that_stands_still_for_a_lease_is_lost() -> None:
    looks = [(0.0, 7), (4.0, 7), (8.0, 7), (9.9, 7), (10.0, 7)]
    assert watch(*looks) == [False, False, False, False, True]


def test_a_worker_that_beats_is_not() -> None:
    assert not any(watch(*((3.0 * n, n) for n in range(100))))


def test_every_beat_counts_anew() -> None:
    looks = [(0.0, 1), (4.0, 1), (8.0, 2), (12.0, 2), (16.0, 2), (18.0, 2)]
    assert watch(*looks) == [False, False, False, False, False, True]


def test_after_an_outage_nobody_is_lost() -> None:
    looks = [(0.0, 1), (4.0, 1), (8.0, None), (12.0, 1), (16.0, 1), (20.0, 1), (22.0, 1)]
    assert watch(*looks) == [False, False, False, False, False, False, True]


def test_who_could_not_look_for_a_while_knows_nothing() -> None:
    """Such as a watcher that waited for a locked database, as the watched one did."""
    assert watch((0.0, 1), (30.0, 1), (35.0, 1), (40.0, 1)) == [False, False, False, True]


def test_who_is_gone_is_forgotten() -> None:
    watching = LeaseWatch[str](10.0)
    watching.expired([("w", 1)], at=0.0)
    watching.expired([], at=4.0)
    assert watching.expired([("w", 1)], at=8.0) == []
    assert watching.expired([("w", 1)], at=12.0) == []
