"""Linear layers of the base with many LoRA adapters beside them, in one batch.

Layers that read the same inputs (query, key and value; gate and up) are one product. All pairs
beside them lie in one bank: A of every adapter, and B likewise, where the layers' outputs lie
beside each other as they do in the base's.

Axes: T rows of a step, I inputs, O outputs, N places of the bank, R ranks of A: one adapter's for
each of the layers, K the rank of one.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby, pairwise

import numpy as np
import torch
from torch import Tensor, nn

from tunesmith.serving import kernels
from tunesmith.serving.kernels import ROWS, Array, as_array
from tunesmith.serving.products import FEW_ROWS, join


class Routing:
    """Which adapter the rows of the next step use: decided once for all layers.

    Attributes:
        place_T: the place of each row's adapter in the banks, -1 for the base alone.
        runs: places, and consecutive rows that use them.
    """

    def __init__(self) -> None:
        self.place_T: Array = np.empty(0, np.int32)
        self.runs: Sequence[tuple[int, slice]] = ()

    def set(self, places: Sequence[int | None]) -> None:
        """Let each row use the adapter at its place, None for the base alone."""
        self.place_T = np.array([-1 if place is None else place for place in places], np.int32)
        counts = [(place, len(list(group))) for place, group in groupby(places)]
        bounds = pairwise(accumulate((count for _, count in counts), initial=0))
        self.runs = [
            (place, slice(*bound))
            for (place, _), bound in zip(counts, bounds, strict=True)
            if place is not None
        ]


class SharedLinear(nn.Module):
    """Layers of the base as one product, never changed, and the bank of pairs beside it."""

    def __init__(self, layers: Sequence[nn.Linear], routing: Routing) -> None:
        super().__init__()
        self.base = join(layers)
        ends = list(accumulate(layer.out_features for layer in layers))
        self._outputs = [slice(*bound) for bound in pairwise([0, *ends])]
        self._ends = np.array(ends)
        self._routing = routing
        like = {"dtype": self.base.dtype, "device": self.base.device}
        self._few_by_kernel = self.base.device.type == "cpu"
        self._set_bank(
            torch.zeros(0, 0, self.base.in_features, **like),
            torch.zeros(0, 0, self.base.out_features, **like),
        )

    # --- the bank ----------------------------------------------------------------------------

    @property
    def held_bytes(self) -> int:
        """What the bank takes."""
        return self._a_NRI.nbytes + self._b_NKO.nbytes

    def bytes_for(self, num_places: int, rank: int) -> int:
        """What the bank would take with room for so many adapters of this rank."""
        width = self.base.in_features * len(self._outputs) + self.base.out_features
        return num_places * _whole_rows(rank) * width * self._a_NRI.itemsize

    def resize(self, num_places: int, rank: int) -> None:
        """Give the bank room for so many adapters of this rank, keeping what is in it."""
        rank = _whole_rows(rank)
        if self._b_NKO.shape[:2] == (num_places, rank):
            return
        num_layers = len(self._outputs)
        by_layer = self._a_NRI.unflatten(1, (num_layers, -1))
        a = self._a_NRI.new_zeros(num_places, num_layers, rank, self.base.in_features)
        a[: len(by_layer), :, : by_layer.shape[2]] = by_layer
        b_NKO = self._b_NKO.new_zeros(num_places, rank, self.base.out_features)
        b_NKO[: len(self._b_NKO), : self._b_NKO.shape[1]] = self._b_NKO
        self._set_bank(a.flatten(1, 2), b_NKO)

    def _set_bank(self, a_NRI: Tensor, b_NKO: Tensor) -> None:
        self._a_NRI, self._b_NKO = a_NRI, b_NKO
        if self._few_by_kernel:  # to show them to a kernel takes longer than many a product
            self._bank = as_array(a_NRI), as_array(b_NKO)

    def put(self, place: int, index: int, *, lora_a_RI: Tensor, lora_b_RO: Tensor) -> None:
        """Set the pair beside the layer of this index, for the adapter at `place`."""
        rank, start = len(lora_a_RI), index * self._b_NKO.shape[1]
        self._a_NRI[place, start : start + rank] = lora_a_RI.to(self._a_NRI)
        self._b_NKO[place, :rank, self._outputs[index]] = lora_b_RO.to(self._b_NKO)

    def clear(self, place: int) -> None:
        """Let nothing lie beside the layers for the adapter at `place`."""
        self._a_NRI[place], self._b_NKO[place] = 0, 0

    # --- a step ------------------------------------------------------------------------------

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., I] -> [..., O]."""
        inputs_TI = inputs.reshape(-1, inputs.shape[-1]).to(self.base.dtype)
        output_TO = self.base(inputs_TI)
        if self._routing.runs and self._a_NRI.shape[0] > 0:
            if self._few_by_kernel and inputs_TI.shape[0] <= FEW_ROWS:
                place_T = self._routing.place_T
                kernels.add_pairs(inputs_TI, place_T, *self._bank, self._ends, output_TO)
            else:
                self._add_to_many(output_TO, inputs_TI)
        return output_TO.view(*inputs.shape[:-1], -1)

    def _add_to_many(self, output_TO: Tensor, inputs_TI: Tensor) -> None:
        rank = self._b_NKO.shape[1]
        for place, rows in self._routing.runs:
            reduced_TR = inputs_TI[rows] @ self._a_NRI[place].T
            for index, outputs in enumerate(self._outputs):
                reduced_TK = reduced_TR[:, index * rank : (index + 1) * rank]
                output_TO[rows, outputs].addmm_(reduced_TK, self._b_NKO[place, :, outputs])


def _whole_rows(rank: int) -> int:
    """Kernels take so many rows at a time; zeros add nothing."""
    return -(-rank // ROWS) * ROWS
