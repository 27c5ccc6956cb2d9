"""A linear layer of the base with many LoRA adapters beside it, in one batch.

All pairs of a layer lie in one bank: A of every adapter below each other, B likewise. A step takes
the stretch of the bank that its adapters lie in, and does two batched products over it with each
adapter's rows side by side. Where one adapter has far more rows than others (it reads a prompt
while they write), padding all to its size would cost more than it saves: then two plain products
take all rows through the whole stretch, and a mask between them lets each row keep its own part.

Axes: T rows of a step, I inputs, O outputs, N adapters of the stretch, M most rows of one of them,
R rank, or rows of a bank: N * rank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Grid:
    """Rows of a step by adapter: `rows_NM` are padded with row 0, `spots` are those that are not.

    None of it is needed where the rows lie so already (`in_place`).
    """

    rows_NM: Tensor
    spots: Tensor
    rows: Tensor
    in_place: bool


@dataclass(frozen=True)
class Lanes:
    """The stretch of the banks that a step needs, and how its rows meet it.

    By grid or by mask; with neither, all rows use the only adapter of the stretch.
    """

    places: Sequence[int | None]
    stretch: slice
    rank: int
    grid: Grid | None = None
    mask_TR: Tensor | None = None


@dataclass
class Routing:
    """What every layer of a model reads in a step; None while no row uses an adapter."""

    lanes: Lanes | None = None


class SharedLinear(nn.Module):
    """A linear layer of the base, which is never changed, and the bank of pairs beside it."""

    def __init__(self, base: nn.Linear, routing: Routing) -> None:
        super().__init__()
        self.base = base
        self._routing = routing
        self.lora_a_RI = base.weight.new_zeros(0, base.in_features)
        self.lora_b_RO = base.weight.new_zeros(0, base.out_features)

    def resize(self, num_rows: int) -> None:
        """Make the bank `num_rows` high, keeping what is in it."""
        for name in ("lora_a_RI", "lora_b_RO"):
            old = getattr(self, name)
            new = old.new_zeros(num_rows, old.shape[1])
            new[: len(old)] = old[:num_rows]
            setattr(self, name, new)

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        output = nn.functional.linear(inputs, self.base.weight, self.base.bias)
        lanes = self._routing.lanes
        if lanes is not None:
            pairs = self.lora_a_RI[lanes.stretch], self.lora_b_RO[lanes.stretch]
            inputs_TI = inputs.view(-1, inputs.shape[-1])
            add = _add_by_mask if lanes.grid is None else _add_by_grid
            add(inputs_TI, *pairs, lanes, to=output.view(-1, output.shape[-1]))
        return output


def _add_by_mask(
    inputs_TI: Tensor, a_RI: Tensor, b_RO: Tensor, lanes: Lanes, *, to: Tensor
) -> None:
    """Add each row's own low-rank part to the rows of `to`, [T, O]."""
    reduced_TR = nn.functional.linear(inputs_TI, a_RI)
    if lanes.mask_TR is not None:
        reduced_TR *= lanes.mask_TR
    to.addmm_(reduced_TR, b_RO)


def _add_by_grid(
    inputs_TI: Tensor, a_RI: Tensor, b_RO: Tensor, lanes: Lanes, *, to: Tensor
) -> None:
    """As `_add_by_mask`, a product for each adapter."""
    assert lanes.grid is not None
    a_NRI, b_NRO = a_RI.unflatten(0, (-1, lanes.rank)), b_RO.unflatten(0, (-1, lanes.rank))
    if lanes.grid.in_place:
        reduced_NMR = torch.bmm(inputs_TI.unflatten(0, (len(a_NRI), -1)), a_NRI.mT)
        to.unflatten(0, (len(b_NRO), -1)).baddbmm_(reduced_NMR, b_NRO)
        return
    reduced_NMR = torch.bmm(inputs_TI[lanes.grid.rows_NM], a_NRI.mT)
    added_NMO = torch.bmm(reduced_NMR, b_NRO)
    to.index_add_(0, lanes.grid.rows, added_NMO.flatten(0, 1)[lanes.grid.spots])


def lanes_for(places: Sequence[int | None], *, rank: int, dtype: torch.dtype) -> Lanes | None:
    """Lanes for rows that use the adapters at these places, None for rows of the base alone."""
    rows_of: dict[int, list[int]] = {}
    for row, place in enumerate(places):
        if place is not None:
            rows_of.setdefault(place, []).append(row)
    if not rows_of:
        return None
    low, high = min(rows_of), max(rows_of) + 1
    stretch = slice(low * rank, high * rank)
    most = max(len(rows) for rows in rows_of.values())
    if most == len(places):
        return Lanes(places, stretch, rank)
    if (high - low) * most <= 2 * len(places):
        return Lanes(places, stretch, rank, grid=_grid(rows_of, low, high, len(places)))
    owner_T1 = torch.tensor([-1 if place is None else place for place in places])[:, None]
    lane_R = torch.arange(low, high).repeat_interleave(rank)
    return Lanes(places, stretch, rank, mask_TR=(owner_T1 == lane_R).to(dtype))


def _grid(rows_of: Mapping[int, list[int]], low: int, high: int, num_rows: int) -> Grid:
    most = max(len(rows) for rows in rows_of.values())
    lists = [rows_of.get(place, []) for place in range(low, high)]
    padded = [rows + [0] * (most - len(rows)) for rows in lists]
    spots = [index * most + spot for index, rows in enumerate(lists) for spot in range(len(rows))]
    rows = [row for each in lists for row in each]
    in_place = len(spots) == (high - low) * most and rows == list(range(num_rows))
    return Grid(torch.tensor(padded), torch.tensor(spots), torch.tensor(rows), in_place)
