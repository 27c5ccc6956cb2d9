"""Text comes in whole characters, and stop strings are cut where they begin."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from tunesmith.serving.text import TextStream


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny_model / "tokenizer.json"))


def pieces_of(tokenizer: Tokenizer, ids: list[int], stop: tuple[str, ...] = ()) -> list[str]:
    stream = TextStream(tokenizer, stop=stop)
    pieces: list[str] = []
    for token_id in ids:
        pieces.append(stream.push(token_id))
        if stream.stopped:
            break
    return [*pieces, stream.rest()]


def test_no_half_characters(tokenizer: Tokenizer) -> None:
    text = "Übung 你好 🙂!"
    ids = tokenizer.encode(text).ids
    assert len(ids) > len(text)
    pieces = pieces_of(tokenizer, ids)
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)
    cut_short = pieces_of(tokenizer, tokenizer.encode("ab🙂").ids[:-1])
    assert "".join(cut_short) == "ab"


@given(
    st.text(alphabet="ab你🙂 ", max_size=30), st.text(alphabet="ab你🙂 ", min_size=1, max_size=4)
)
def test_a_stop_string_is_cut_exactly(tiny_model: Path, text: str, stop: str) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_model / "tokenizer.json"))
    pieces = pieces_of(tokenizer, tokenizer.encode(text).ids, stop=(stop,))
    assert "".join(pieces) == text.partition(stop)[0]


def test_text_is_held_only_while_a_stop_string_may_have_begun(tokenizer: Tokenizer) -> None:
    stream = TextStream(tokenizer, stop=("###",))
    shown = [stream.push(token_id) for token_id in tokenizer.encode("x#y##z").ids]
    assert shown == ["x", "", "#y", "", "", "##z"]
