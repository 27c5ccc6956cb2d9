"""Attention of one step: sequences at different places, each over its own blocks of the cache.

A step mixes sequences that get their next token (one query each) with pieces of prompts (many
queries each). For the first kind all blocks are one batch of products: every block with the query
of the sequence that owns it, then each sequence's parts are weighed by their share of its softmax,
which is exactly attention over the whole (as in flash-decoding). So the number of operations
depends on neither the number of sequences nor their lengths, nothing is padded beyond a block, and
blocks are read where they lie.

Axes: T tokens of the step, S sequences with one query, P blocks, B tokens of a block, W the most
blocks of a sequence, L keys, H query heads, K key/value heads, G = H / K, D head size.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from tunesmith.modeling.kernels.attention import grouped, refuse_other_kinds, rows
from tunesmith.serving.cache import BLOCK_TOKENS, KvCache, blocks_for

PAGED = "tunesmith_paged"
# Where nothing is seen. Finite, so that a block out of sight gives numbers and not nan; its weight
# beside any block in sight is exp(-30000), exactly 0 in every number format.
_UNSEEN = -30_000.0


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
class Step:
    """What attention needs to know of a step: which rows are whose, and where their blocks are."""

    cache: KvCache
    spans: Sequence[Span]
    _biases: dict[int | None, Tensor] = field(default_factory=dict)

    @cached_property
    def places(self) -> tuple[Tensor, Tensor]:
        """Block and offset of every row, [T] each."""
        blocks: list[int] = []
        offsets: list[int] = []
        for span in self.spans:
            more = self.cache.places(span.table, span.start, span.stop)
            blocks += more[0]
            offsets += more[1]
        return torch.tensor(blocks), torch.tensor(offsets)

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
        return torch.tensor([span.row for span in self.single])

    @cached_property
    def blocks_read(self) -> slice | Tensor:
        """The blocks of `single`: all up to the highest in place, or a copy if most are others'."""
        used = sorted({block for span in self.single for block in _read_blocks(span)})
        if 2 * len(used) < used[-1] + 1:
            return torch.tensor(used)
        return slice(0, used[-1] + 1)

    @cached_property
    def _index_of_block(self) -> dict[int, int]:
        """Where each block is among those read."""
        if isinstance(self.blocks_read, slice):
            return {block: block for block in range(self.blocks_read.stop)}
        return {block: index for index, block in enumerate(self.blocks_read.tolist())}

    @cached_property
    def owner_P(self) -> Tensor:
        """Which of `single` owns each block read; others' blocks get an answer nobody looks at."""
        owner = [0] * len(self._index_of_block)
        for index, span in enumerate(self.single):
            for block in _read_blocks(span):
                owner[self._index_of_block[block]] = index
        return torch.tensor(owner)

    @cached_property
    def parts_SW(self) -> Tensor:
        """The blocks of each of `single` among those read, padded with its first."""
        widest = max(blocks_for(span.stop) for span in self.single)
        parts = [[self._index_of_block[b] for b in _read_blocks(span)] for span in self.single]
        return torch.tensor([each + each[:1] * (widest - len(each)) for each in parts])

    @cached_property
    def padding_SW111(self) -> Tensor:
        """Added to the largest scores of `parts_SW`: unseen where it is padding."""
        widest = self.parts_SW.shape[1]
        counts = torch.tensor([blocks_for(span.stop) for span in self.single])
        padded = torch.arange(widest) >= counts[:, None]
        return torch.where(padded, 2 * _UNSEEN, 0.0)[:, :, None, None, None]

    def bias_P11B(self, window: int | None) -> Tensor:
        """Added to the scores of the blocks read: unseen what is behind the end or the window."""
        if window not in self._biases:
            seen = torch.ones(len(self._index_of_block), BLOCK_TOKENS, dtype=torch.bool)
            for span in self.single:
                seen[self._index_of_block[span.table[(span.stop - 1) // BLOCK_TOKENS]]] = (
                    torch.arange(BLOCK_TOKENS) <= (span.stop - 1) % BLOCK_TOKENS
                )
                for index, block in enumerate(_read_blocks(span) if window else ()):
                    first = span.stop - (window or 0) - index * BLOCK_TOKENS
                    if first > 0:
                        seen[self._index_of_block[block], :first] = False
            bias = torch.where(seen, 0.0, _UNSEEN)[:, None, None, :]
            self._biases[window] = bias.to(self.cache.shape.dtype)
        return self._biases[window]


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
    query_THD, key_TKD, value_TKD = (states[0].transpose(0, 1) for states in (query, key, value))
    layer = step.cache.states_N2PKBD[int(module.layer_idx)]  # pyright: ignore[reportArgumentType]
    blocks, offsets = step.places
    layer[0][blocks, :, offsets] = key_TKD
    layer[1][blocks, :, offsets] = value_TKD

    scaled_THD = query_THD * scaling
    output_THD = torch.empty_like(query_THD, memory_format=torch.contiguous_format)
    if step.single:
        single = step.single_rows_S
        output_THD[single] = _one_query_each(scaled_THD[single], layer, step, sliding_window)
    for span in step.several:
        new = slice(span.row, span.row + span.count)
        key_LKD, value_LKD = (
            (key_TKD[new], value_TKD[new]) if span.start == 0 else _so_far(layer, span)
        )
        output_THD[new] = _many_queries(scaled_THD[new], key_LKD, value_LKD, sliding_window)
    return output_THD[None], None


def _one_query_each(query_SHD: Tensor, layer: Tensor, step: Step, window: int | None) -> Tensor:
    """Scaled queries of `step.single` -> [S, H, D]."""
    key_PKBD, value_PKBD = layer[0, step.blocks_read], layer[1, step.blocks_read]
    num_blocks, num_heads, _, size = key_PKBD.shape
    query_PKGD = query_SHD.view(len(query_SHD), num_heads, -1, size)[step.owner_P]
    flat_query = query_PKGD.view(num_blocks * num_heads, -1, size)
    scores = torch.bmm(flat_query, key_PKBD.flatten(0, 1).transpose(1, 2))
    scores_PKGB = scores.view(num_blocks, num_heads, -1, BLOCK_TOKENS) + step.bias_P11B(window)
    # softmax by hand: each part keeps its largest score and its sum, in float32, for the weighing.
    largest_PKG1 = scores_PKGB.amax(dim=-1, keepdim=True)
    probs_PKGB = (scores_PKGB - largest_PKG1).exp_()
    sums_PKG1 = probs_PKGB.sum(dim=-1, keepdim=True, dtype=torch.float32)
    flat_probs = probs_PKGB.view(num_blocks * num_heads, -1, BLOCK_TOKENS)
    parts_PKGD = torch.bmm(flat_probs, value_PKBD.flatten(0, 1)).view_as(query_PKGD)

    largest_SWKG1 = largest_PKG1[step.parts_SW].float() + step.padding_SW111
    weights_SWKG1 = (largest_SWKG1 - largest_SWKG1.amax(dim=1, keepdim=True)).exp_()
    sums_SKG1 = (weights_SWKG1 * sums_PKG1[step.parts_SW]).sum(dim=1)
    output_SKGD = (weights_SWKG1 * parts_PKGD[step.parts_SW]).sum(dim=1) / sums_SKG1
    return output_SKGD.view_as(query_SHD).to(query_SHD.dtype)


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
