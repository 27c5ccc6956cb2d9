"""Memory that a worker has for engines: taken before it is used, so that none is taken twice."""

import threading
from dataclasses import dataclass, field


@dataclass
class Budget:
    """Bytes by who holds them. For several threads.

    Attributes:
        owner: the worker whose memory it is.
        total: bytes in all.
    """

    owner: str
    total: int
    _held: dict[str, int] = field(default_factory=dict[str, int])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, holder: str, num_bytes: int) -> bool:
        """Hold more, if there is as much."""
        with self._lock:
            if sum(self._held.values()) + num_bytes > self.total:
                return False
            self._held[holder] = self._held.get(holder, 0) + num_bytes
            return True

    def give_back(self, holder: str, num_bytes: int | None = None) -> None:
        """Hold less; without a number, nothing any more."""
        with self._lock:
            held = self._held.pop(holder, 0)
            if num_bytes is not None:
                self._held[holder] = held - num_bytes

    def held_by(self, holder: str) -> int:
        """How much that is."""
        with self._lock:
            return self._held.get(holder, 0)

    @property
    def held(self) -> int:
        """How much is held by all."""
        with self._lock:
            return sum(self._held.values())
