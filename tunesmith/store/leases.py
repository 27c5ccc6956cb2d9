"""Watching workers by their beats, with the watcher's own clock."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass
class LeaseWatch(Generic[Key]):
    """Tells which beats stood still for `lease_seconds`, by times that the caller gives.

    The times are of a monotonic clock, and only those at which the database answered. Who has not
    looked for a while begins anew: an outage, a locked database or a machine that slept may have
    kept the others from beating as well.
    """

    lease_seconds: float
    _seen: dict[Key, tuple[int, float]] = field(default_factory=dict[Key, tuple[int, float]])
    _looked_at: float = float("-inf")

    def expired(self, held: Iterable[tuple[Key, int]], *, at: float) -> list[tuple[Key, int]]:
        """Those among `held`, each with its beat, whose beat is the one of `lease_seconds` ago."""
        if at - self._looked_at > self.lease_seconds / 2:
            self._seen.clear()
        self._looked_at = at
        held = list(held)
        self._seen = {key: (beat, self._since(key, beat, at=at)) for key, beat in held}
        return [(key, beat) for key, beat in held if at - self._seen[key][1] >= self.lease_seconds]

    def _since(self, key: Key, beat: int, *, at: float) -> float:
        last = self._seen.get(key)
        return last[1] if last is not None and last[0] == beat else at

    def forget(self) -> None:
        """The database did not answer: begin anew."""
        self._seen.clear()
