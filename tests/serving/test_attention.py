"""One query a sequence: the compiled kernel, torch's own, and the definition agree."""

import pytest
import torch

from tunesmith.serving import attention
from tunesmith.serving.attention import Span, Step
from tunesmith.serving.cache import CacheShape, KvCache

HEADS, KV_HEADS, SIZE = 6, 2, 20  # of a size that no vector of a processor divides
LENGTHS = (1, 63, 64, 65, 200)


@pytest.mark.parametrize("window", [None, 70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@torch.inference_mode()
def test_kernels_agree_with_the_definition(dtype: torch.dtype, window: int | None) -> None:
    torch.manual_seed(0)
    cache = KvCache(
        CacheShape(num_layers=1, num_heads=KV_HEADS, head_size=SIZE, dtype=dtype),
        num_tokens=1024,
        device=torch.device("cpu"),
    )
    cache.states_N2PKBD.normal_()
    spans: list[Span] = []
    for row, length in enumerate(LENGTHS):
        table: list[int] = []
        cache.grow(table, length)
        spans.append(Span(row, length - 1, 1, table[::-1]))  # blocks lie in any order
    step = Step(cache, spans)
    query_SHD = torch.randn(len(spans), HEADS, SIZE).to(dtype)
    stored, scaling = cache.states_N2PKBD[0], SIZE**-0.5

    expected_SHD = torch.empty(query_SHD.shape, dtype=torch.float32)
    for span in spans:
        states_LKD = cache.read(span.table, max(0, span.stop - (window or span.stop)), span.stop)
        key_LHD, value_LHD = (
            states_LKD[:, 0, kind].float().repeat_interleave(HEADS // KV_HEADS, dim=1)
            for kind in (0, 1)
        )
        scores_HL = torch.einsum("hd,lhd->hl", query_SHD[span.row].float(), key_LHD) * scaling
        expected_SHD[span.row] = torch.einsum("hl,lhd->hd", scores_HL.softmax(-1), value_LHD)

    tolerance = 1e-5 if dtype == torch.float32 else 0.01
    arguments = query_SHD, stored, step, scaling
    compiled = attention._one_query_each(*arguments, window)
    of_torch = attention._by_sdpa(*arguments, step.first_S(window))
    for found_SHD in (compiled, of_torch):
        assert torch.allclose(found_SHD.float(), expected_SHD, atol=tolerance)


def test_far_scores_weigh_nothing_and_equal_ones_the_same() -> None:
    cache = KvCache(
        CacheShape(num_layers=1, num_heads=1, head_size=4, dtype=torch.float32),
        num_tokens=64,
        device=torch.device("cpu"),
    )
    keys, values = cache.states_N2PKBD[0, :, 0, 0]
    keys[:3, 0] = torch.tensor([100.0, 100.0, -100.0])
    values[:3, 0] = torch.tensor([1.0, 3.0, 1e6])
    step = Step(cache, [Span(0, 2, 1, [0])])
    query_SHD = torch.full((1, 1, 4), 2.0)
    found = attention._one_query_each(query_SHD, cache.states_N2PKBD[0], step, 1.0, None)
    assert found[0, 0].tolist() == [2.0, 0.0, 0.0, 0.0]
