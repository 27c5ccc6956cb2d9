"""Beginnings of prompts whose keys and values are known, such as system prompts.

Kept as copies outside the cache of running sequences: copying 100 tokens back takes about a
millisecond where computing them takes a tenth of a second, and no block has two users.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from itertools import count
from typing import TypeAlias

import torch
from torch import Tensor

CHUNK_TOKENS = 16  # what two prompts must share, and the grain in which they do

_Key: TypeAlias = tuple[Hashable, tuple[int, ...]]  # the chain before it, and its own tokens


class PrefixCache:
    """Chains of chunks; the least recently used leave first.

    A chunk is known by the chunks before it and its own tokens, compared in full, so a prompt is
    never answered from states of another. A chain starts at a `root`: adapters change keys and
    values, and what one owner asked must not speed up another's guess of it.
    """

    def __init__(self, *, num_tokens: int) -> None:
        self._max_chunks = num_tokens // CHUNK_TOKENS
        self._chunks: OrderedDict[_Key, tuple[int, Tensor]] = OrderedDict()
        self._ids = count()

    def find(self, root: Hashable, tokens: Sequence[int]) -> Tensor | None:
        """States of the longest known beginning of `tokens`, [T, N, 2, K, D]."""
        keys: list[_Key] = []
        parent = root
        for start in _chunk_starts(tokens):
            key = (parent, tuple(tokens[start : start + CHUNK_TOKENS]))
            if key not in self._chunks:
                break
            keys.append(key)
            parent, _ = self._chunks[key]
        self._touch(keys)
        return torch.cat([self._chunks[key][1] for key in keys]) if keys else None

    def keep(
        self, root: Hashable, tokens: Sequence[int], read: Callable[[int, int], Tensor]
    ) -> None:
        """Remember the whole chunks of `tokens`; `read(start, stop)` copies states yet unknown."""
        keys: list[_Key] = []
        parent = root
        for start in _chunk_starts(tokens)[: self._max_chunks]:
            key = (parent, tuple(tokens[start : start + CHUNK_TOKENS]))
            if key not in self._chunks:
                self._chunks[key] = (next(self._ids), read(start, start + CHUNK_TOKENS))
            keys.append(key)
            parent, _ = self._chunks[key]
        self._touch(keys)
        while len(self._chunks) > self._max_chunks:
            self._chunks.popitem(last=False)

    def _touch(self, keys: Sequence[_Key]) -> None:
        """Make these the most recent, the first of a chain last: no chunk outlives its parent."""
        for key in reversed(keys):
            self._chunks.move_to_end(key)


def _chunk_starts(tokens: Sequence[int]) -> range:
    return range(0, len(tokens) - CHUNK_TOKENS + 1, CHUNK_TOKENS)
