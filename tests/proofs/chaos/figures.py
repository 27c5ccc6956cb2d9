"""What a proof found out, one line a figure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A measured figure beside its target."""

    name: str
    target: str
    measured: str
    is_met: bool

    def __str__(self) -> str:
        verdict = "ok" if self.is_met else "NOT MET"
        return f"{verdict:8} {self.name:34} target {self.target:42} measured {self.measured}"


def none_of(name: str, target: str, measured: str, faults: Sequence[str]) -> Figure:
    """A figure that is met if there are no faults; the first of them are shown."""
    shown = "".join(f"\n         {fault}" for fault in faults[:20])
    return Figure(name, target, f"{measured}, {len(faults)} faults{shown}", is_met=not faults)


def percentile(values: Iterable[float], share: float) -> float:
    """The value below which `share` of `values` lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
