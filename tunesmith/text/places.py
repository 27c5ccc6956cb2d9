"""Token ids of texts, and where in its text each token lies.

A tokenizer can say where its tokens lie, but to keep track of it takes a third of its time, and to
hand it over as a Python tuple for every token takes as long as the tokens themselves. Most
tokenizers work on bytes and need not be asked: a token of theirs spells certain bytes, so tokens
lie end to end. That is so where the tokens of a text, spelled out, are the text, which is checked
for each. The tokenizer is asked where they are not, because it changed the text (to one Unicode
form) or left something out (spaces beside a special token), and where it counts in another way.

Axes: T tokens of one text, V token ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

# Words, spaces, lines and characters of one to four bytes, by which tokenizers differ.
_SAMPLE = "one  two\n\n três 你好 😀 4,2"
_NOTHING = b"\xff"  # is in no UTF-8 text, so a text with such a token is never spelled out


@dataclass(frozen=True, slots=True)
class PlacedTokens:
    """The tokens of one text.

    Attributes:
        token_ids: int32 [T].
        char_starts: int32 [T], the character of the text in which each token starts.
        char_ends: int32 [T], behind that in which it ends. Tokens may share a character.
    """

    token_ids: NDArray[np.int32]
    char_starts: NDArray[np.int32]
    char_ends: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.token_ids)


class TokenPlacer:
    """Tokenizes with `tokenizer`, which must not change from then on."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        spellings = _spellings(tokenizer)
        self._spellings_V = np.array(spellings, np.object_)
        self._num_bytes_V = np.array([len(each) for each in spellings], np.int32)
        self._by_spelling = self._places_like_the_tokenizer()

    def place(self, texts: Sequence[str]) -> list[PlacedTokens]:
        """The tokens of each of `texts`, none added."""
        if not self._by_spelling:
            encodings = self._tokenizer.encode_batch(texts, add_special_tokens=False)
            return [placed_by_tokenizer(encoding) for encoding in encodings]
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        placed = map(self._spelled, texts, (encoding.ids for encoding in encodings))
        return [
            self._asked(text) if tokens is None else tokens
            for text, tokens in zip(texts, placed, strict=True)
        ]

    def _places_like_the_tokenizer(self) -> bool:
        asked = self._asked(_SAMPLE)
        spelled = self._spelled(_SAMPLE, asked.token_ids.tolist())
        return (
            spelled is not None
            and np.array_equal(spelled.char_starts, asked.char_starts)
            and np.array_equal(spelled.char_ends, asked.char_ends)
        )

    def _asked(self, text: str) -> PlacedTokens:
        return placed_by_tokenizer(self._tokenizer.encode(text, add_special_tokens=False))

    def _spelled(self, text: str, ids: list[int]) -> PlacedTokens | None:
        """The tokens `ids` end to end, if that is `text`."""
        token_ids = np.array(ids, np.int32)
        spelled = b"".join(self._spellings_V.take(token_ids).tolist())
        if spelled != text.encode():
            return None
        num_bytes = self._num_bytes_V.take(token_ids)
        ends = np.cumsum(num_bytes, dtype=np.int32)
        if text.isascii():
            return PlacedTokens(token_ids, ends - num_bytes, ends)
        # The bytes 10xxxxxx continue a character, all others begin one.
        begins = (np.frombuffer(spelled, np.uint8) & 0b1100_0000) != 0b1000_0000
        num_begun = np.cumsum(begins, dtype=np.int32)
        return PlacedTokens(token_ids, num_begun[ends - num_bytes] - 1, num_begun[ends - 1])


def placed_by_tokenizer(encoding: Encoding) -> PlacedTokens:
    """The tokens of `encoding` where the tokenizer says that they are."""
    places = np.array(encoding.offsets, np.int32).reshape(-1, 2)
    return PlacedTokens(np.array(encoding.ids, np.int32), places[:, 0], places[:, 1])


def _spellings(tokenizer: Tokenizer) -> list[bytes]:
    """What each token stands for, where the vocabulary is written in the byte-level alphabet."""
    vocabulary = tokenizer.get_vocab()
    spellings_V = [_NOTHING] * (1 + max(vocabulary.values(), default=-1))
    for token, token_id in vocabulary.items():
        spellings_V[token_id] = bytes(_BYTE_OF.get(character, 0xFF) for character in token)
    for token_id, added in tokenizer.get_added_tokens_decoder().items():
        spellings_V[token_id] = added.content.encode()
    return spellings_V


def _byte_level_alphabet() -> dict[str, int]:
    """The byte that a character of a byte-level vocabulary stands for, as GPT-2 has it.

    Printable bytes stand for themselves, the others for characters from 256 on.
    """
    themselves = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in themselves]
    return {chr(byte): byte for byte in themselves} | {
        chr(256 + place): byte for place, byte in enumerate(others)
    }


_BYTE_OF = _byte_level_alphabet()
