"""Each kernel against the plain formula it stands for."""

import pytest
import torch
import torch.nn.functional as F

from tunesmith.modeling.kernels.attention import packed_attention
from tunesmith.modeling.kernels.lora import lora_linear
from tunesmith.modeling.kernels.loss import linear_cross_entropy

LENGTHS = (
    5,
    300,
    1,
    257,
    40,
)  # shorter than, equal to a multiple of, and longer than a query block


def _states(num_heads: int, size: int = 16, *, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(num_heads)
    states = torch.randn(1, num_heads, sum(LENGTHS), size, generator=generator, dtype=dtype)
    return states.requires_grad_()


def _reference(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scaling: float
) -> torch.Tensor:
    """All packed tokens at once, with a block-diagonal causal mask."""
    sequence = torch.repeat_interleave(torch.arange(len(LENGTHS)), torch.tensor(LENGTHS))
    position = torch.arange(sum(LENGTHS))
    mask = (sequence[:, None] == sequence[None]) & (position[:, None] >= position[None])
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    output = F.scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)
    return output.transpose(1, 2)


@pytest.mark.parametrize("num_key_heads", [1, 2, 6])
def test_packed_attention_equals_masked_attention(num_key_heads: int) -> None:
    query, key, value = _states(6), _states(num_key_heads), _states(num_key_heads)
    output, _ = packed_attention(
        torch.nn.Module(), query, key, value, None, scaling=0.3, sequence_lengths=LENGTHS
    )
    expected = _reference(query, key, value, 0.3)
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)

    gradient = torch.randn(expected.shape, dtype=expected.dtype)
    found = torch.autograd.grad(output, (query, key, value), gradient)
    wanted = torch.autograd.grad(expected, (query, key, value), gradient)
    for ours, theirs in zip(found, wanted, strict=True):
        # key and value gradients are summed over query blocks in float32
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_change_in_one_example_does_not_reach_another() -> None:
    query, key, value = _states(6), _states(2), _states(2)
    changed = value.detach().clone()
    changed[:, :, : LENGTHS[0]] += 100
    before, _ = packed_attention(
        torch.nn.Module(), query, key, value, None, scaling=0.3, sequence_lengths=LENGTHS
    )
    after, _ = packed_attention(
        torch.nn.Module(), query, key, changed, None, scaling=0.3, sequence_lengths=LENGTHS
    )
    assert not torch.equal(before[:, : LENGTHS[0]], after[:, : LENGTHS[0]])
    assert torch.equal(before[:, LENGTHS[0] :], after[:, LENGTHS[0] :])


def test_sliding_window_equals_banded_mask() -> None:
    query, key, value = _states(6), _states(2), _states(2)
    output, _ = packed_attention(
        torch.nn.Module(),
        query,
        key,
        value,
        None,
        scaling=0.3,
        sequence_lengths=LENGTHS,
        sliding_window=32,
    )
    start = sum(LENGTHS[:1])
    part = slice(start, start + LENGTHS[1])
    position = torch.arange(LENGTHS[1])
    distance = position[:, None] - position[None]
    expected = F.scaled_dot_product_attention(
        query[:, :, part],
        key[:, :, part].repeat_interleave(3, dim=1),
        value[:, :, part].repeat_interleave(3, dim=1),
        attn_mask=(distance >= 0) & (distance < 32),
        scale=0.3,
    ).transpose(1, 2)
    torch.testing.assert_close(output[:, part], expected)


@pytest.mark.parametrize("num_tokens", [1, 256, 700])
def test_linear_cross_entropy_equals_logits_and_cross_entropy(num_tokens: int) -> None:
    hidden = torch.randn(num_tokens, 24, requires_grad=True)
    weight = torch.randn(97, 24, requires_grad=True)
    targets = torch.randint(97, (num_tokens,))
    loss, num_correct = linear_cross_entropy(hidden, weight, targets)
    expected = F.cross_entropy(hidden @ weight.T, targets, reduction="sum")
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-4)

    found = torch.autograd.grad(loss * 0.5, (hidden, weight))
    wanted = torch.autograd.grad(expected * 0.5, (hidden, weight))
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert num_correct == (hidden @ weight.T).argmax(-1).eq(targets).sum()


@pytest.mark.parametrize("with_bias", [True, False])
def test_lora_linear_equals_two_linears(with_bias: bool) -> None:
    inputs = torch.randn(2, 7, 12, requires_grad=True)
    weight, bias = torch.randn(20, 12), torch.randn(20) if with_bias else None
    lora_a, lora_b = torch.randn(4, 12, requires_grad=True), torch.randn(20, 4, requires_grad=True)
    output = lora_linear(inputs, weight, bias, lora_a, lora_b, 1.5)
    expected = F.linear(inputs, weight, bias) + 1.5 * F.linear(F.linear(inputs, lora_a), lora_b)
    torch.testing.assert_close(output, expected)

    gradient = torch.randn_like(expected)
    found = torch.autograd.grad(output, (inputs, lora_a, lora_b), gradient)
    wanted = torch.autograd.grad(expected, (inputs, lora_a, lora_b), gradient)
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
