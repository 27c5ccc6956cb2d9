"""Attention of one step: sequences at different places, each over its own blocks of the cache.

A step mixes sequences that get their next token (one query each) with pieces of prompts (many
queries each). The first kind is one call of a kernel, which reads blocks where they lie; each piece
of a prompt is a few products.

Axes: T tokens of the step, S sequences with one query, W the most blocks of one, P blocks of the
cache, B tokens of a block, L keys, H query heads, K key/value heads, X = H + 2 * K, G = H / K,
D head size.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import AttentionInterface

from tunesmith.modeling.kernels.attention import grouped, refuse_other_kinds, rows
from tunesmith.serving import kernels
from tunesmith.serving.cache import KvCache, blocks_for
from tunesmith.serving.kernels import Array

PAGED = "tunesmith_paged"


@dataclass(frozen=True)
class Span:
    """Consecutive new tokens of one sequence: `count` rows of the step from `row`.

    Their first position is `start`; `table` names the blocks of the sequence.
    """

    row: int
    start: int
    count: int
    table: Sequence[int]

    @property
    def stop(self) -> int:
        """The length of the sequence behind this step."""
        return self.start + self.count


@dataclass(frozen=True)
class Rotation:
    """Rotary positions of a step, [T, D] each; the sine has the sign of its half."""

    cosine_TD: Tensor
    sine_TD: Tensor

    def at(self, rows: Tensor) -> "Rotation":
        """Those of some of the rows."""
        return Rotation(self.cosine_TD[rows], self.sine_TD[rows])

    def turn_(self, states_TXD: Tensor) -> None:
        """Rotate heads in place."""
        swapped = states_TXD.roll(states_TXD.shape[-1] // 2, dims=-1)
        states_TXD.mul_(self.cosine_TD[:, None]).addcmul_(swapped, self.sine_TD[:, None])


@dataclass(frozen=True)
class Step:
    """What attention needs to know of a step: which rows are whose, and where their blocks are."""

    cache: KvCache
    spans: Sequence[Span]

    @cached_property
    def slots_F(self) -> Tensor:
        """Where keys and values of every row go in a layer of the cache, [T * 2 * K]."""
        slots: list[Tensor] = []
        for span in self.spans:
            slots.append(self.cache.slots(span.table, span.start, span.stop))
        return torch.cat(slots).flatten()

    @cached_property
    def single(self) -> list[Span]:
        """Sequences with one query."""
        return [span for span in self.spans if span.count == 1]

    @cached_property
    def several(self) -> list[Span]:
        """Pieces of prompts."""
        return [span for span in self.spans if span.count > 1]

    @cached_property
    def single_rows_S(self) -> Tensor:
        """The rows of `single`."""
        return torch.tensor([span.row for span in self.single], dtype=torch.long)

    @cached_property
    def blocks_SW(self) -> Array:
        """The blocks of each of `single`, padded with its first."""
        tables = [_read_blocks(span) for span in self.single]
        widest = max(map(len, tables))
        return np.array([[*each, *[each[0]] * (widest - len(each))] for each in tables], np.int32)

    @cached_property
    def stop_S(self) -> Array:
        """The lengths of `single`."""
        return np.array([span.stop for span in self.single], np.int32)

    def first_S(self, window: int | None) -> Array:
        """The first position that each of `single` sees."""
        return np.maximum(self.stop_S - window, 0) if window else np.zeros_like(self.stop_S)


def _read_blocks(span: Span) -> Sequence[int]:
    """The blocks that hold what the span's sequence has so far."""
    return span.table[: blocks_for(span.stop)]


def register() -> None:
    """Make `attn_implementation="tunesmith_paged"` known to transformers.

    The name is not in its table of masks, so models build no mask; what may be seen comes from the
    keyword `step`, which models pass through to the attention function.
    """
    AttentionInterface.register(PAGED, paged_attention)


def paged_attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float,
    step: Step,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attention in the signature of transformers: query [1, H, T, D], key and value [1, K, T, D].

    Stores key and value in the cache. Returns [1, T, H, D].

    Raises:
        ModelRejected: the model asks for a kind of attention that this one does not have.
    """
    refuse_other_kinds(module, dropout=dropout, settings=kwargs)
    output_THD = attend(
        torch.cat((query[0], key[0], value[0])).transpose(0, 1).contiguous(),
        step,
        layer=int(module.layer_idx),  # pyright: ignore[reportArgumentType]
        scaling=scaling,
        window=sliding_window,
    )
    return output_THD[None], None


def attend(
    states_TXD: Tensor,
    step: Step,
    *,
    layer: int,
    scaling: float,
    window: int | None,
    rotation: Rotation | None = None,
) -> Tensor:
    """Store keys and values, and attend to what is stored -> [T, H, D].

    Args:
        states_TXD: queries, keys and values, which may be turned in place.
        step: whose rows they are.
        layer: of the cache.
        scaling: of scores.
        window: how far back a query sees.
        rotation: by which queries and keys are to be turned first.
    """
    stored = step.cache.states_N2PKBD[layer]
    by_kernel = stored.device.type == "cpu"
    if by_kernel and not step.several:
        return _one_query_each(states_TXD, rotation, stored, step, scaling, window)
    num_kv, size = stored.shape[2], stored.shape[-1]
    query_THD, kv_TXD = states_TXD[:, : -2 * num_kv], states_TXD[:, -2 * num_kv :]
    output_THD = torch.empty_like(query_THD, memory_format=torch.contiguous_format)
    single_S = step.single_rows_S
    if step.single and by_kernel:  # which turns and stores them itself
        turned = None if rotation is None else rotation.at(single_S)
        output_THD[single_S] = _one_query_each(
            states_TXD[single_S], turned, stored, step, scaling, window
        )
    if rotation is not None:
        rotation.turn_(states_TXD[:, :-num_kv])
    stored.view(-1, size).index_copy_(0, step.slots_F, kv_TXD.reshape(-1, size))
    if step.single and not by_kernel:
        output_THD[single_S] = _by_sdpa(query_THD[single_S], stored, step, scaling, window)
    scaled_THD = query_THD * scaling
    key_TKD, value_TKD = kv_TXD.chunk(2, dim=1)
    for span in step.several:
        new = slice(span.row, span.row + span.count)
        key_LKD, value_LKD = (
            (key_TKD[new], value_TKD[new]) if span.start == 0 else _so_far(stored, span)
        )
        output_THD[new] = _many_queries(scaled_THD[new], key_LKD, value_LKD, window)
    return output_THD


def _one_query_each(
    states_SXD: Tensor,
    rotation: Rotation | None,
    stored: Tensor,
    step: Step,
    scaling: float,
    window: int | None,
) -> Tensor:
    """`attend` for sequences of `step.single` -> [S, H, D]."""
    turned = None if rotation is None else (rotation.cosine_TD, rotation.sine_TD)
    first_S = step.first_S(window)
    return kernels.attend(states_SXD, turned, stored, step.blocks_SW, first_S, step.stop_S, scaling)


def _by_sdpa(
    query_SHD: Tensor, stored: Tensor, step: Step, scaling: float, window: int | None
) -> Tensor:
    """The same by a kernel of torch, on copies of the blocks. On a GPU it was not run."""
    first_S = step.first_S(window)
    blocks_SW = torch.from_numpy(step.blocks_SW).to(stored.device)
    key_SKLD, value_SKLD = stored[:, blocks_SW].transpose(2, 3).flatten(3, 4)
    position_L = torch.arange(key_SKLD.shape[2])
    first_S1, stop_S1 = (torch.from_numpy(each)[:, None] for each in (first_S, step.stop_S))
    seen_SL = (position_L >= first_S1) & (position_L < stop_S1)
    output_SH1D = F.scaled_dot_product_attention(
        query_SHD[:, :, None],
        key_SKLD,
        value_SKLD,
        attn_mask=seen_SL[:, None, None].to(stored.device),
        scale=scaling,
        enable_gqa=True,
    )
    return output_SH1D[:, :, 0]


def _many_queries(
    query_THD: Tensor, key_LKD: Tensor, value_LKD: Tensor, window: int | None
) -> Tensor:
    """Scaled queries of the last T of L positions -> [T, H, D]."""
    num_queries, num_keys = len(query_THD), len(key_LKD)
    query_KGTD = grouped(query_THD, key_LKD.shape[1])
    scores = torch.bmm(rows(query_KGTD), key_LKD.permute(1, 2, 0))
    position_T1 = torch.arange(num_keys - num_queries, num_keys)[:, None]
    distance_TL = position_T1 - torch.arange(num_keys)
    unseen_TL = (distance_TL < 0) | (distance_TL >= (window or num_keys))
    scores.view(-1, num_queries, num_keys).masked_fill_(unseen_TL, float("-inf"))
    output = torch.bmm(torch.softmax(scores, dim=-1), value_LKD.transpose(0, 1))
    return output.view_as(query_KGTD).permute(2, 0, 1, 3).reshape(query_THD.shape)


def _so_far(layer: Tensor, span: Span) -> tuple[Tensor, Tensor]:
    """Keys and values of a sequence up to and with the step's, [L, K, D] each."""
    states_2PKBD = layer[:, list(_read_blocks(span))]
    key_LKD, value_LKD = states_2PKBD.transpose(2, 3).flatten(1, 2)[:, : span.stop]
    return key_LKD, value_LKD
