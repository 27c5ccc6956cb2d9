"""Examples that say the same, exactly or nearly, by MinHash (Broder 1997) with banding.

Compared is what is said, not how it is written: the words of all messages but the system's, without
case and punctuation. A character of a script without spaces is a word. Two texts are near
duplicates if about 80 % of all runs of five words that either has are in both.

Axes: N examples, P permutations.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from tunesmith.data.storage import in_batches
from tunesmith.text.conversation import Example, texts_of

SIMILAR = 0.8  # share of runs in common from which on two texts are near duplicates

_RUN_WORDS = 5
_NUM_PERMUTATIONS, _NUM_BANDS = (
    64,
    16,
)  # a pair at 0.8 is missed with 2 in 10,000, at 0.5 found half
_MAX_BUCKET = 8  # compared within one bucket: a phrase that thousands share is no evidence
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0eff]|[^\W_]+")
_NOT_SAID = ("system", "tools")

# Random odd multipliers, the same in every process.
_CONSTANTS = np.random.Generator(np.random.PCG64(7)).integers(
    2**63, size=(3, _NUM_PERMUTATIONS), dtype=np.uint64
)
_MULTIPLIERS_P, _OFFSETS_P = _CONSTANTS[0] * 2 + 1, _CONSTANTS[1]
_PLACES = _CONSTANTS[2, :_RUN_WORDS] * 2 + 1  # of a word within a run


@dataclass(frozen=True)
class Signatures:
    """What is compared of N examples.

    Attributes:
        exact_N: uint64, equal for equal words in equal order.
        minima_NP: uint32; the share of equal entries estimates the share of runs in common.
    """

    exact_N: NDArray[np.uint64]
    minima_NP: NDArray[np.uint32]

    def take(self, indices: NDArray[np.int64]) -> "Signatures":
        """Those of some examples."""
        return Signatures(self.exact_N[indices], self.minima_NP[indices])


def sign(examples: Iterable[Example]) -> Signatures:
    """The signatures of `examples`, 264 bytes each."""
    exact: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    minima: list[NDArray[np.uint32]] = [np.zeros((0, _NUM_PERMUTATIONS), np.uint32)]
    for batch in in_batches(examples):
        said = [_said(example).casefold() for example in batch]
        words = [_WORD.findall(text) or [text] for text in said]
        exact.append(np.array([_text_hash(each) for each in words], np.uint64))
        minima.append(_minima(words))
    return Signatures(np.concatenate(exact), np.concatenate(minima))


def first_similar(queries: Signatures, corpus: Signatures) -> NDArray[np.int64]:
    """For each query the lowest index found of a near duplicate in `corpus`, or -1."""
    num_queries, num_examples = len(queries.exact_N), len(corpus.exact_N)
    found = np.full(num_queries, num_examples, np.int64)
    for band in range(_NUM_BANDS):
        keys, wanted = _band_keys(corpus, band), _band_keys(queries, band)
        order = np.argsort(keys, kind="stable")
        first = np.searchsorted(keys[order], wanted)
        for place in range(_MAX_BUCKET):
            at = np.minimum(first + place, num_examples - 1)
            candidate = order[at]
            open_N = (first + place < num_examples) & (keys[candidate] == wanted)
            open_N &= candidate < found
            asked = np.flatnonzero(open_N)
            alike = _similarity(queries, asked, corpus, candidate[asked]) >= SIMILAR
            found[asked[alike]] = candidate[asked[alike]]
    return np.where(found < num_examples, found, -1)


def first_equal(queries: Signatures, corpus: Signatures) -> NDArray[np.int64]:
    """For each query the lowest index of an example of `corpus` with the same words, or -1."""
    known, first = np.unique(corpus.exact_N, return_index=True)
    at = np.minimum(np.searchsorted(known, queries.exact_N), len(known) - 1)
    return np.where(known[at] == queries.exact_N, first[at], -1)


def _similarity(
    queries: Signatures, left: NDArray[np.int64], corpus: Signatures, right: NDArray[np.int64]
) -> NDArray[np.float64]:
    return (queries.minima_NP[left] == corpus.minima_NP[right]).mean(axis=1)


def _band_keys(signatures: Signatures, band: int) -> NDArray[np.uint64]:
    """One number for a band of the minima; equal bands have equal numbers."""
    width = _NUM_PERMUTATIONS // _NUM_BANDS
    part = signatures.minima_NP[:, band * width : (band + 1) * width].astype(np.uint64)
    return (part * _PLACES[:width]).sum(axis=1, dtype=np.uint64)


def _said(example: Example) -> str:
    return "\n".join(text for whose, text in texts_of(example) if whose not in _NOT_SAID)


def _text_hash(words: Sequence[str]) -> int:
    return int.from_bytes(blake2b(" ".join(words).encode(), digest_size=8).digest(), "big")


def _minima(texts: Sequence[Sequence[str]]) -> NDArray[np.uint32]:
    """The least hash of each text's runs under every permutation; a shorter text is one run."""
    hashes = {word: crc32(word.encode()) for text in texts for word in text}
    flat: list[int] = []
    bounds: list[int] = []  # where each text's runs start and end
    for text in texts:
        start = len(flat)
        flat.extend(hashes[word] for word in text)
        flat.extend([0] * (_RUN_WORDS - len(text)))
        bounds += (start, len(flat) - _RUN_WORDS + 1)
    words = np.array([*flat, *[0] * _RUN_WORDS], np.uint64)
    runs = np.zeros(len(flat) + 1, np.uint64)
    for place, multiplier in enumerate(_PLACES):
        runs += words[place : place + len(runs)] * multiplier
    minima_PN = [
        np.minimum.reduceat(runs * multiplier + offset, bounds)[::2] >> np.uint64(32)
        for multiplier, offset in zip(_MULTIPLIERS_P, _OFFSETS_P, strict=True)
    ]
    return np.stack(minima_PN, axis=1).astype(np.uint32)
