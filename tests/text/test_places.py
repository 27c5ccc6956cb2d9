"""Where tokens lie is what the tokenizer says, whether it is asked or not."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from tests.text.families import FAMILIES
from tests.text.tiny import byte_level_tokenizer
from tunesmith.text.places import TokenPlacer, placed_by_tokenizer

texts = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.sampled_from(
        ["<|im_start|>", "<|im_end|>", " ", "  \n", "é", "e\u0301", "你好", "😀 hello"]
    )
).map("".join)


def plain() -> Tokenizer:
    return byte_level_tokenizer(FAMILIES["qwen3"].special_tokens)


def normalizing() -> Tokenizer:
    tokenizer = plain()
    tokenizer.normalizer = normalizers.NFC()
    return tokenizer


def prefixing() -> Tokenizer:
    tokenizer = plain()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    return tokenizer


def trimming() -> Tokenizer:
    tokenizer = plain()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def swallowing() -> Tokenizer:
    tokenizer = plain()
    tokenizer.add_special_tokens([AddedToken("<|im_end|>", rstrip=True, lstrip=True)])
    return tokenizer


def by_words() -> Tokenizer:
    words = {"hello": 0, "好": 1, "<|im_end|>": 2, "?": 3}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


TOKENIZERS = {
    make.__name__: cache(make)
    for make in (plain, normalizing, prefixing, trimming, swallowing, by_words)
}


@pytest.mark.parametrize("name", TOKENIZERS)
@given(texts=st.lists(texts, max_size=4))
def test_ids_and_places_are_the_tokenizers_own(name: str, texts: list[str]) -> None:
    tokenizer = TOKENIZERS[name]()
    for text, placed in zip(texts, TokenPlacer(tokenizer).place(texts), strict=True):
        asked = placed_by_tokenizer(tokenizer.encode(text, add_special_tokens=False))
        assert placed.token_ids.tolist() == asked.token_ids.tolist()
        assert placed.char_starts.tolist() == asked.char_starts.tolist()
        assert placed.char_ends.tolist() == asked.char_ends.tolist()
