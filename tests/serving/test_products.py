"""Products of every kind are those of torch, and keep no more of the weights than they need."""

from collections.abc import Generator

import pytest
import torch
from torch import nn

from tunesmith.serving.products import FEW_ROWS, WidenedProduct, join


@pytest.fixture(params=[1, 2], ids=["alone", "together"])
def num_threads(request: pytest.FixtureRequest) -> Generator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("rows", [1, 2, 3, 8, 12, 13, FEW_ROWS + 1, 200])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("numbers", ["bf16", "float32", "float32 that fit into bf16"])
@torch.inference_mode()
def test_layers_become_one_product(numbers: str, bias: bool, rows: int, num_threads: int) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(40, size, bias=bias) for size in (64, 7, 90)]
    for layer in layers:
        if numbers != "float32":
            layer.bfloat16()
        if numbers != "bf16":
            layer.float()
    product = join(layers)
    inputs_TI = torch.randn(rows, 40).to(product.dtype)
    expected = torch.cat([layer(inputs_TI) for layer in layers], dim=1)
    tolerance = 0.02 if numbers == "bf16" else 1e-5
    torch.testing.assert_close(product(inputs_TI), expected, atol=tolerance, rtol=tolerance)
    assert torch.get_num_threads() == num_threads, "the kernel left another number of threads"
    kept_OI = next(product.weights())
    given_OI = torch.cat([layer.weight for layer in layers])
    assert torch.equal(kept_OI[: len(given_OI)].to(given_OI), given_OI)
    assert kept_OI.itemsize == (4 if numbers == "float32" else 2)


@torch.inference_mode()
def test_few_rows_of_many_inputs_are_summed_in_float32() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(5000, 8, bias=False)
    product = join([layer])
    assert isinstance(product, WidenedProduct)
    inputs_TI = torch.randn(8, 5000)
    expected = (inputs_TI.double() @ layer.weight.double().T).float()
    assert (product(inputs_TI) - expected).abs().max() < 1e-5 * expected.abs().max()
