"""Rows of many adapters through one product are those of each layer and its own pair."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from tunesmith.serving.shared_linear import Routing, SharedLinear

SIZES = (24, 8, 8)
RANKS = {0: 4, 1: 2, 3: 4}  # place 2 is empty
LANES: dict[str, list[int | None]] = {
    "one adapter": [1] * 5,
    "one row each, some without": [None, None, 0, 1, 3],
    "as many rows each": [0, 0, 1, 1],
    "one adapter has most rows": [None, 0, 1, *[3] * 40],
    "a long step": [0, 1, *[0] * 40, *[3] * 40],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", LANES)
@torch.inference_mode()
def test_each_row_gets_its_own_pair(rows: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(16, size, bias=True, dtype=dtype) for size in SIZES]
    routing = Routing()
    shared = SharedLinear(layers, routing)
    pairs: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
    for place, rank in RANKS.items():
        shared.resize(place + 1, max(RANKS.values()))
        for index, size in enumerate(SIZES):
            if (place, index) == (1, 2):
                continue  # an adapter that leaves one of the layers alone
            pair = torch.randn(rank, 16).to(dtype), torch.randn(rank, size).to(dtype)
            pairs[place, index] = pair
            shared.put(place, index, lora_a_RI=pair[0], lora_b_RO=pair[1])
    places = LANES[rows]
    routing.set(places)
    inputs_TI = torch.randn(len(places), 16).to(dtype)

    expected = torch.cat([layer(inputs_TI) for layer in layers], dim=1).float()
    assert not torch.allclose(shared(inputs_TI).float(), expected, atol=0.1), "no pair was added"
    starts = [sum(SIZES[:index]) for index in range(len(SIZES))]
    for row, place in enumerate(places):
        for index, (start, size) in enumerate(zip(starts, SIZES, strict=True)):
            if place is not None and (place, index) in pairs:
                a_RI, b_RO = (each.float() for each in pairs[place, index])
                expected[row, start : start + size] += linear(inputs_TI[row].float(), a_RI) @ b_RO
    error = (shared(inputs_TI).float() - expected).abs().max() / expected.abs().max()
    assert error < (1e-5 if dtype == torch.float32 else 0.02)


def test_sums_in_bf16_are_rounded_as_torch_rounds() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(4, 4096, bias=False, dtype=torch.bfloat16)
    routing = Routing()
    shared = SharedLinear([layer], routing)
    shared.resize(1, 1)
    b_RO = torch.randn(1, 4096).bfloat16()
    shared.put(0, 0, lora_a_RI=torch.tensor([[1.0, 0, 0, 0]]), lora_b_RO=b_RO)
    routing.set([0])
    inputs_TI = torch.tensor([[1.0, 0, 0, 0]]).bfloat16()
    with torch.inference_mode():
        expected = (shared.base(inputs_TI).float() + b_RO.float()).bfloat16()
        assert torch.equal(shared(inputs_TI), expected)
