"""Watching workers by their beats, with the watcher's own clock."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tunesmith.store.transitions import Lease


@dataclass
class LeaseWatch:
    """Tells which beats stood still for `lease_seconds`, by times that the caller gives.

    The times are of a monotonic clock, and only those at which the database answered: after an
    outage every beat counts as just seen, for no worker could beat meanwhile.
    """

    lease_seconds: float
    _seen: dict[Lease, tuple[int, float]] = field(default_factory=dict[Lease, tuple[int, float]])

    def expired(self, held: Iterable[tuple[Lease, int]], *, at: float) -> list[tuple[Lease, int]]:
        """The leases among `held` whose beat is the one seen `lease_seconds` ago."""
        held = list(held)
        self._seen = {lease: (beat, self._since(lease, beat, at=at)) for lease, beat in held}
        return [
            (lease, beat) for lease, beat in held if at - self._seen[lease][1] >= self.lease_seconds
        ]

    def _since(self, lease: Lease, beat: int, *, at: float) -> float:
        last = self._seen.get(lease)
        return last[1] if last is not None and last[0] == beat else at

    def forget(self) -> None:
        """The database did not answer: begin anew."""
        self._seen.clear()
