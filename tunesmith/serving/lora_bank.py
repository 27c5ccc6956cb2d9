"""Many LoRA adapters beside one linear layer, in one batch.

All pairs of a layer lie in one bank: A of every adapter below each other, B likewise. A step takes
the stretch of the bank that its adapters lie in, and does two batched products over it with each
adapter's rows side by side. Where one adapter has far more rows than others (it reads a prompt while
they write), padding all to its size would cost more than it saves: then two plain products take all
rows through the whole stretch, and a mask between them lets each row keep its own adapter's part.

Axes: T rows of a step, I inputs, O outputs, N adapters of the stretch, M most rows of one of them,
R rank, and NR = N * R rows of a bank.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tunesmith.errors import ModelRejected
from tunesmith.modeling.methods.lora import Pairs


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
            lora_a_RI, lora_b_RO = self.lora_a_RI[lanes.stretch], self.lora_b_RO[lanes.stretch]
            inputs_TI = inputs.view(-1, inputs.shape[-1])
            output_TO = output.view(-1, output.shape[-1])
            if lanes.grid is not None:
                a_NRI, b_NRO = (bank.unflatten(0, (-1, lanes.rank)) for bank in (lora_a_RI, lora_b_RO))
                _add_by_grid(inputs_TI, a_NRI, b_NRO, lanes.grid, to=output_TO)
            else:
                reduced_TR = nn.functional.linear(inputs_TI, lora_a_RI)
                if lanes.mask_TR is not None:
                    reduced_TR *= lanes.mask_TR
                output_TO.addmm_(reduced_TR, lora_b_RO)
        return output


def _add_by_grid(inputs_TI: Tensor, a_NRI: Tensor, b_NRO: Tensor, grid: Grid, *, to: Tensor) -> None:
    """Add each row's own low-rank part to the rows of `to`, [T, O]."""
    if grid.in_place:
        reduced_NMR = torch.bmm(inputs_TI.view(len(a_NRI), -1, a_NRI.shape[2]), a_NRI.mT)
        to.view(len(a_NRI), -1, b_NRO.shape[2]).baddbmm_(reduced_NMR, b_NRO)
        return
    reduced_NMR = torch.bmm(inputs_TI[grid.rows_NM], a_NRI.mT)
    added_NMO = torch.bmm(reduced_NMR, b_NRO)
    to.index_add_(0, grid.rows, added_NMO.flatten(0, 1)[grid.spots])


class LoraBank:
    """Which adapter lies where, the same place in every layer.

    Every place is as high as the largest rank so far; smaller pairs are padded with zeros, which
    add nothing.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._routing = Routing()
        self._layers: dict[str, SharedLinear] = {}
        self._places: list[bool] = []  # which are taken
        self._rank = 0

    def add(self, pairs: Pairs) -> int:
        """Put `pairs` beside their layers; returns their place."""
        if pairs.rank > self._rank:
            self._raise_rank(pairs.rank)
        for name in pairs.layers.keys() - self._layers.keys():
            self._wrap(name)
        place = self._free_place()
        rows = slice(place * self._rank, place * self._rank + pairs.rank)
        for name, (lora_a_RI, lora_b_OR) in pairs.layers.items():
            self._layers[name].lora_a_RI[rows] = lora_a_RI.to(self._layers[name].lora_a_RI)
            scaled_OR = lora_b_OR.float() * pairs.scaling
            self._layers[name].lora_b_RO[rows] = scaled_OR.T.to(self._layers[name].lora_b_RO)
        return place

    def remove(self, place: int) -> None:
        """Free a place that no running sequence uses."""
        rows = slice(place * self._rank, (place + 1) * self._rank)
        for layer in self._layers.values():
            layer.lora_a_RI[rows], layer.lora_b_RO[rows] = 0, 0
        self._places[place] = False

    def route(self, places: Sequence[int | None]) -> None:
        """Set which adapter each row of the next step uses, None for the base alone."""
        lanes = self._routing.lanes
        if lanes is None or lanes.places != places or lanes.rank != self._rank:
            self._routing.lanes = _lanes(places, rank=self._rank, dtype=self._model.dtype)

    def bytes_for(self, pairs: Pairs) -> int:
        """Memory that `add` would take beyond what is held."""
        rank = max(pairs.rank, self._rank)
        num_places = len(self._places) + (all(self._places))
        names = pairs.layers.keys() | self._layers.keys()
        after = sum(_row_size(self._linear(name)) for name in names) * num_places * rank
        held = sum(_row_size(layer.base) * len(layer.lora_a_RI) for layer in self._layers.values())
        return (after - held) * self._model.dtype.itemsize

    def check(self, pairs: Pairs) -> None:
        """Refuse pairs that do not fit the model.

        Raises:
            ModelRejected: naming the layer.
        """
        for name, (lora_a_RI, lora_b_OR) in pairs.layers.items():
            try:
                layer = self._linear(name)
            except AttributeError:
                raise ModelRejected(f"the adapter changes {name}, which the model lacks") from None
            expected = (pairs.rank, layer.in_features), (layer.out_features, pairs.rank)
            found = tuple(lora_a_RI.shape), tuple(lora_b_OR.shape)
            if found != expected:
                raise ModelRejected(
                    f"the adapter does not fit {name}: it has {found}, {expected} fits",
                    hint="load it over the base model that it was trained on",
                )

    def _linear(self, name: str) -> nn.Linear:
        layer = self._model.get_submodule(name)
        layer = layer.base if isinstance(layer, SharedLinear) else layer
        if not isinstance(layer, nn.Linear):
            raise ModelRejected(f"the adapter changes {name}, which is no linear layer")
        return layer

    def _wrap(self, name: str) -> None:
        layer = SharedLinear(self._linear(name), self._routing)
        layer.resize(len(self._places) * self._rank)
        parent, _, child = name.rpartition(".")
        setattr(self._model.get_submodule(parent), child, layer)
        self._layers[name] = layer

    def _free_place(self) -> int:
        if all(self._places):
            self._places.append(False)
            for layer in self._layers.values():
                layer.resize(len(self._places) * self._rank)
        place = self._places.index(False)
        self._places[place] = True
        return place

    def _raise_rank(self, rank: int) -> None:
        """Spread the places for a larger rank."""
        for layer in self._layers.values():
            for name in ("lora_a_RI", "lora_b_RO"):
                old = getattr(layer, name)
                spread = old.new_zeros(len(self._places), rank, old.shape[1])
                if self._rank:
                    spread[:, : self._rank] = old.view(len(self._places), self._rank, -1)
                setattr(layer, name, spread.flatten(0, 1))
        self._rank = rank


def _row_size(layer: nn.Linear) -> int:
    return layer.in_features + layer.out_features


def _lanes(places: Sequence[int | None], *, rank: int, dtype: torch.dtype) -> Lanes | None:
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
