"""A picture of how aliases moved over versions of models: a lane a version, a line an alias."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunesmith.service.alias_moves import AliasMoveView

# In pixels.
_LANE = 40  # between versions
_MOVE = 64  # between moves, however far apart in time
_APART = 6  # between the lines of aliases that point to the same version


@dataclass(frozen=True)
class Lane:
    """A version that some alias pointed to."""

    model: str
    y: int


@dataclass(frozen=True)
class Turn:
    """Where a line is after a move."""

    move: AliasMoveView
    x: int
    y: int


@dataclass(frozen=True)
class Line:
    """The way of an alias; `path` as SVG writes it."""

    alias: str
    path: str
    turns: list[Turn]


@dataclass(frozen=True)
class AliasPicture:
    """Lanes and lines in a box."""

    width: int
    height: int
    lanes: list[Lane]
    lines: list[Line]


def draw_aliases(
    histories: Mapping[str, Sequence[AliasMoveView]], *, versions: Sequence[str]
) -> AliasPicture:
    """The moves of aliases, each alias's newest first; lanes as in `versions`, then the others."""
    moves = sorted(
        (move for history in histories.values() for move in history), key=lambda each: each.moved_at
    )
    pointed_to = {model for move in moves for model in (move.from_model, move.to_model) if model}
    lanes = [each for each in versions if each in pointed_to]
    lanes += sorted(pointed_to - set(lanes))
    box = _Box(
        xs={move: place * _MOVE + _MOVE // 2 for place, move in enumerate(moves)},
        ys={model: place * _LANE + _LANE // 2 for place, model in enumerate(lanes)},
        width=len(moves) * _MOVE,
    )
    middle = (len(histories) - 1) * _APART // 2
    return AliasPicture(
        width=box.width,
        height=len(lanes) * _LANE,
        lanes=[Lane(model, y) for model, y in box.ys.items()],
        lines=[
            box.line(alias, history[::-1], lower=place * _APART - middle)
            for place, (alias, history) in enumerate(histories.items())
        ],
    )


@dataclass(frozen=True)
class _Box:
    """Where moves and models are."""

    xs: Mapping[AliasMoveView, int]
    ys: Mapping[str, int]
    width: int

    def line(self, alias: str, history: Sequence[AliasMoveView], *, lower: int) -> Line:
        """The line of a history that begins with the oldest move, so much below its lanes."""
        y = self._height(history[0].from_model, lower)
        path = "" if y is None else f"M0 {y}"
        turns: list[Turn] = []
        for move in history:
            x, before, y = self.xs[move], y, self._height(move.to_model, lower)
            path += f"M{x} {y}" if before is None else f"H{x}"
            path += f"V{y}" if before is not None and y is not None else ""
            turns.append(Turn(move, x, y if y is not None else before or 0))
        path += f"H{self.width}" if y is not None else ""
        return Line(alias, path, turns)

    def _height(self, model: str | None, lower: int) -> int | None:
        return None if model is None else self.ys[model] + lower
