"""Keys and values of all sequences, in blocks that any sequence can use.

Axes: N layers, P blocks, B tokens of a block, K key/value heads, D head size, T tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK_TOKENS = 64  # 32 is slower by its number of products, 128 wastes more of the last block


@dataclass(frozen=True)
class CacheShape:
    """What one token's keys and values are."""

    num_layers: int
    num_heads: int
    head_size: int
    dtype: torch.dtype

    @property
    def bytes_per_token(self) -> int:
        """Keys and values of all layers."""
        return 2 * self.num_layers * self.num_heads * self.head_size * self.dtype.itemsize


def blocks_for(num_tokens: int) -> int:
    """How many blocks hold `num_tokens`."""
    return -(-num_tokens // BLOCK_TOKENS)


class KvCache:
    """Blocks of keys and values, [N, 2, P, K, B, D].

    A sequence reserves room for its longest possible end when it starts, so none ever has to be
    thrown out, but takes each block only when it gets there.
    """

    def __init__(self, shape: CacheShape, *, num_tokens: int, device: torch.device) -> None:
        self.shape = shape
        self.num_blocks = blocks_for(num_tokens)
        size = (shape.num_layers, 2, self.num_blocks, shape.num_heads, BLOCK_TOKENS)
        # Filled, not only promised: the system commits memory when it is written, and a load that
        # comes later must see what is left.
        self.states_N2PKBD = torch.empty(
            (*size, shape.head_size), dtype=shape.dtype, device=device
        ).fill_(0)
        self.num_reserved = 0
        self._free = list(reversed(range(self.num_blocks)))

    def reserve(self, num_blocks: int) -> bool:
        """Set blocks aside if there are as many left."""
        if self.num_reserved + num_blocks > self.num_blocks:
            return False
        self.num_reserved += num_blocks
        return True

    def grow(self, table: list[int], num_tokens: int) -> None:
        """Add blocks to `table` until it holds `num_tokens`."""
        while len(table) * BLOCK_TOKENS < num_tokens:
            table.append(self._free.pop())

    def release(self, table: list[int], *, num_reserved: int) -> None:
        """Give back the blocks of a sequence and what it had reserved."""
        self._free += table
        table.clear()
        self.num_reserved -= num_reserved

    def slots(self, table: Sequence[int], start: int, stop: int) -> Tensor:
        """Where keys and values of each position lie in a layer seen as [2 * P * K * B, D].

        Returns [T, 2 * K].
        """
        blocks, offsets = map(torch.tensor, self.places(table, start, stop))
        num_heads = self.shape.num_heads
        kinds_21 = torch.arange(2)[:, None] * self.num_blocks * num_heads
        heads_X = (kinds_21 + torch.arange(num_heads)).flatten()
        return (heads_X + blocks[:, None] * num_heads) * BLOCK_TOKENS + offsets[:, None]

    def places(self, table: Sequence[int], start: int, stop: int) -> tuple[list[int], list[int]]:
        """Block and offset of each position from `start` to before `stop`."""
        positions = range(start, stop)
        return (
            [table[position // BLOCK_TOKENS] for position in positions],
            [position % BLOCK_TOKENS for position in positions],
        )

    def read(self, table: Sequence[int], start: int, stop: int) -> Tensor:
        """A copy of the states at these positions, [T, N, 2, K, D]."""
        blocks, offsets = self.places(table, start, stop)
        return self.states_N2PKBD[:, :, blocks, :, offsets]

    def write(self, table: Sequence[int], start: int, states_TN2KD: Tensor) -> None:
        """Put copied states to the positions from `start`."""
        blocks, offsets = self.places(table, start, start + len(states_TN2KD))
        self.states_N2PKBD[:, :, blocks, :, offsets] = states_TN2KD
