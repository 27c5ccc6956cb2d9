"""Kernels of a step with one query a sequence agree with torch and with what they stand for."""

import pytest
import torch
import torch.nn.functional as F

from tunesmith.serving import attention, kernels
from tunesmith.serving.attention import Rotation, Span, Step, attend
from tunesmith.serving.cache import CacheShape, KvCache
from tunesmith.serving.kernels import as_array
from tunesmith.serving.threads import threads

HEADS, KV_HEADS, SIZE = 6, 2, 20  # of a size that no vector of a processor divides
LENGTHS = (1, 63, 64, 65, 200)


@pytest.mark.parametrize(("turned", "num_threads"), [(False, 1), (True, 1), (True, 2)])
@pytest.mark.parametrize("window", [None, 70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_kernels_agree_with_the_definition(
    dtype: torch.dtype, window: int | None, turned: bool, num_threads: int
) -> None:
    torch.manual_seed(0)
    cache = _cache(KV_HEADS, SIZE, num_tokens=1024, dtype=dtype)
    cache.states_N2PKBD.normal_()
    spans: list[Span] = []
    for row, length in enumerate(LENGTHS):
        table: list[int] = []
        cache.grow(table, length)
        spans.append(Span(row, length - 1, 1, table[::-1]))  # blocks lie in any order
    step = Step(cache, spans)
    given_SXD = torch.randn(len(spans), HEADS + 2 * KV_HEADS, SIZE).to(dtype)
    rotation = Rotation(*torch.randn(2, len(spans), SIZE).to(dtype))
    scaling = SIZE**-0.5
    with threads(num_threads):
        compiled_SHD = attend(
            given_SXD.clone(),
            step,
            layer=0,
            scaling=scaling,
            window=window,
            rotation=rotation if turned else None,
        )

    states_SXD = given_SXD.float()
    if turned:
        rotation.turn_(states_SXD[:, :-KV_HEADS])
    query_SHD, kv_SXD = states_SXD.split([HEADS, 2 * KV_HEADS], dim=1)
    expected_SHD = torch.empty_like(query_SHD)
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    for span in spans:
        first = max(0, span.stop - (window or span.stop))
        states_LXD = cache.read(span.table, first, span.stop)[:, 0].flatten(1, 2).float()
        new_XD = kv_SXD[span.row]
        torch.testing.assert_close(states_LXD[-1], new_XD, atol=tolerance, rtol=tolerance)
        key_LHD, value_LHD = (
            states_LKD.repeat_interleave(HEADS // KV_HEADS, dim=1)
            for states_LKD in states_LXD.chunk(2, dim=1)
        )
        scores_HL = torch.einsum("hd,lhd->hl", query_SHD[span.row], key_LHD) * scaling
        expected_SHD[span.row] = torch.einsum("hl,lhd->hd", scores_HL.softmax(-1), value_LHD)
    stored = cache.states_N2PKBD[0]
    of_torch_SHD = attention._by_sdpa(query_SHD.to(dtype), stored, step, scaling, window)
    for found_SHD in (compiled_SHD, of_torch_SHD):
        assert torch.allclose(found_SHD.float(), expected_SHD, atol=tolerance)


@torch.inference_mode()
def test_far_scores_weigh_nothing_and_equal_ones_the_same() -> None:
    cache = _cache(1, 4, num_tokens=64, dtype=torch.float32)
    keys, values = cache.states_N2PKBD[0, :, 0, 0]
    keys[:2, 0] = torch.tensor([100.0, -100.0])
    values[:2, 0] = torch.tensor([1.0, 1e6])
    step = Step(cache, [Span(0, 2, 1, [0])])
    query, key, value = [2.0, 2, 2, 2], [100.0, 0, 0, 0], [3.0, 0, 0, 0]
    states_SXD = torch.tensor([[query, key, value]])
    found_SHD = attend(states_SXD, step, layer=0, scaling=1.0, window=None)
    assert found_SHD[0, 0].tolist() == [2.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gates_are_those_of_torch_however_large(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    gate_TF, up_TF = torch.randn(2, 3, 50) * torch.tensor([1.0, 10.0, 1000.0])[:, None]
    gate_up_TF = torch.cat((gate_TF, up_TF), dim=1).to(dtype)
    gated_TF = torch.empty(3, 50, dtype=dtype)
    kernels.gate(as_array(gate_up_TF), as_array(gated_TF))
    gate_TF, up_TF = gate_up_TF.float().chunk(2, dim=1)
    expected_TF = F.silu(gate_TF) * up_TF
    tolerance = 1e-5 if dtype == torch.float32 else 0.01
    torch.testing.assert_close(gated_TF.float(), expected_TF, atol=tolerance, rtol=tolerance)


def _cache(num_heads: int, size: int, *, num_tokens: int, dtype: torch.dtype) -> KvCache:
    shape = CacheShape(num_layers=1, num_heads=num_heads, head_size=size, dtype=dtype)
    return KvCache(shape, num_tokens=num_tokens, device=torch.device("cpu"))
