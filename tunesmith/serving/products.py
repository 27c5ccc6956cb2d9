"""Products of the base's weights, each kept as its processor multiplies it fastest.

A processor that has products of bf16 gets bf16 weights in a layout of its own (oneDNN). Any other
computes in float32: it reads weights as the bf16 that they were published in, which is half the
memory, and widens them on the way. A GPU gets them as they are.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from tunesmith.serving import kernels

FEW_ROWS = 64  # up to here kernels do better than operations of torch
_FEW_TO_WIDEN = 128  # up to here widening all weights takes longer than the kernel

# What torch's own compiler calls for frozen weights; they have no public names.
_reorder = torch.ops.mkldnn._reorder_linear_weight
_pointwise = torch.ops.mkldnn._linear_pointwise


class Product:
    """Linear layers that read the same inputs, as one: their outputs lie beside each other.

    The weights are copied; whoever made the layers lets go of them.

    Attributes:
        dtype: of inputs and outputs.
    """

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None) -> None:
        self.out_features, self.in_features = weight_OI.shape
        self.dtype, self.device = weight_OI.dtype, weight_OI.device
        self._weight_OI, self._bias_O = weight_OI, bias_O

    def weights(self) -> Iterator[Tensor]:
        """What it multiplies by and adds."""
        yield self._weight_OI.to_dense() if self._weight_OI.is_mkldnn else self._weight_OI
        if self._bias_O is not None:
            yield self._bias_O

    @property
    def table_OI(self) -> Tensor | None:
        """The weights as rows to look up, if they are kept so."""
        return self._weight_OI[: self.out_features]

    def __call__(self, inputs_TI: Tensor) -> Tensor:
        """[T, I] -> [T, O]; inputs of another number format are rounded to `dtype`."""
        return linear(inputs_TI.to(self.dtype), self._weight_OI, self._bias_O)


class PackedProduct(Product):
    """oneDNN's layout: else it reorders a plain weight at every call.

    With the few rows of a step that is most of the time: 270 us become 159 for 8 rows through
    [3072, 576] in bf16.
    """

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None) -> None:
        super().__init__(weight_OI, bias_O)
        self._weight_OI = _reorder(weight_OI)

    @property
    def table_OI(self) -> None:
        """As `Product` says: they are not."""

    def __call__(self, inputs_TI: Tensor) -> Tensor:
        """As `Product` says."""
        return _pointwise(inputs_TI.to(self.dtype), self._weight_OI, self._bias_O, "none", [], "")


class WidenedProduct(Product):
    """float32 by a kernel of our own, with weights that are bf16 wherever that changes none."""

    def __init__(self, weight_OI: Tensor, bias_O: Tensor | None) -> None:
        super().__init__(weight_OI, bias_O)
        self._weight_OI = narrowed(_with_whole_rows(weight_OI))
        self._array_OI = kernels.as_array(self._weight_OI)

    def __call__(self, inputs_TI: Tensor) -> Tensor:
        """As `Product` says."""
        inputs_TI = inputs_TI.to(self.dtype).contiguous()
        if inputs_TI.shape[0] <= _FEW_TO_WIDEN:
            output_TO = kernels.multiply(inputs_TI, self._array_OI)
        else:  # widened for the moment: of many rows that is little
            output_TO = inputs_TI @ self._weight_OI.float().T
        if self._array_OI.shape[0] > self.out_features:
            output_TO = output_TO[:, : self.out_features].contiguous()
        return output_TO if self._bias_O is None else output_TO + self._bias_O


def join(layers: Sequence[nn.Linear]) -> Product:
    """Layers that read the same inputs, as one product of the kind that suits where they are."""
    weight_OI = torch.cat([layer.weight.detach() for layer in layers])
    biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
    assert len(biases) in (0, len(layers))
    bias_O = torch.cat(biases) if biases else None
    return _kind(weight_OI)(weight_OI, bias_O)


def _kind(weight: Tensor) -> type[Product]:
    if weight.device.type != "cpu":
        return Product
    if weight.dtype == torch.float32:
        return WidenedProduct
    has_bf16 = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return PackedProduct if has_bf16 else Product


def narrowed(weight: Tensor) -> Tensor:
    """The same values in 16 bits where they fit in, else as they are; always a copy."""
    narrow = weight.to(torch.bfloat16, copy=True)
    return narrow if torch.equal(narrow.to(weight.dtype), weight) else weight.clone()


def _with_whole_rows(weight_OI: Tensor) -> Tensor:
    """Kernels take `ROWS` outputs at a time; those of zeros are cut off again."""
    missing = -len(weight_OI) % kernels.ROWS
    return torch.cat((weight_OI, weight_OI.new_zeros(missing, weight_OI.shape[1])))
