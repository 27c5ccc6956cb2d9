import json
import random
from pathlib import Path

import numpy as np
import pytest

from tunesmith.data.dataset import DatasetVersion, import_dataset
from tunesmith.data.duplicates import first_equal, first_similar, sign
from tunesmith.data.leakage import Leakage, RowsUsed, find_leakage
from tunesmith.text.conversation import Conversation, Message, Passage

CHANCE = random.Random(3)
VOCABULARY = [f"word{n}" for n in range(2000)]
TEXTS = [" ".join(CHANCE.choices(VOCABULARY, k=120)) for _ in range(200)]


def changed(text: str, num_words: int) -> str:
    words = text.split()
    for position in range(num_words):
        words[position * 20 + 3] = "other"
    return " ".join(words)


def passages(texts: list[str]) -> list[Passage]:
    return [Passage(text) for text in texts]


def test_how_a_text_is_written_does_not_matter() -> None:
    written = passages(["Hello, you!", "hello YOU", "hello your", "你好,世界", "你好 世界。", "!!"])
    signed = sign(written)
    assert first_equal(signed, signed).tolist() == [0, 0, 2, 3, 3, 5]


def test_the_system_prompt_does_not_matter() -> None:
    talk = (Message("user", "hello"), Message("assistant", "you"))
    signed = sign([Conversation(talk), Conversation((Message("system", "be brief"), *talk))])
    assert first_equal(signed, signed).tolist() == [0, 0]


def test_nearly_equal_texts_are_found_and_others_are_not() -> None:
    corpus = sign(passages(TEXTS))
    queries = sign(passages([changed(TEXTS[7], 1), changed(TEXTS[9], 6), TEXTS[11], "word1 word2"]))
    assert first_similar(queries, corpus).tolist() == [7, -1, 11, -1]
    assert first_equal(queries, corpus).tolist() == [-1, -1, 11, -1]


def test_the_first_of_several_is_named() -> None:
    corpus = sign(passages([TEXTS[0], TEXTS[1], changed(TEXTS[1], 1), TEXTS[1]]))
    assert first_similar(corpus, corpus).tolist() == [0, 1, 1, 1]


def test_the_share_of_equal_minima_estimates_the_overlap() -> None:
    words = TEXTS[0].split()
    half = " ".join([*words[:60], *TEXTS[1].split()[:60]])
    signed = sign(passages([TEXTS[0], half]))
    equal = (signed.minima_NP[0] == signed.minima_NP[1]).mean()
    assert equal == pytest.approx(56 / (2 * 116 - 56), abs=0.15)


# --- leakage ---------------------------------------------------------------------------------


def version(folder: Path, texts: list[str]) -> DatasetVersion:
    source = folder / "texts.jsonl"
    source.write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return import_dataset(source, into=folder / "versions")


def leakage(folder: Path, texts: list[str], measured: list[int], **options: int) -> Leakage:
    rows = np.arange(1, len(texts) + 1)
    held_out = np.array(measured, np.int64)
    used = RowsUsed("talks", version(folder, texts), np.setdiff1d(rows, held_out), held_out)
    return find_leakage([used], **options)


def test_leaked_rows_are_counted_and_named(tmp_path: Path) -> None:
    texts = [*TEXTS[:20], TEXTS[3].upper(), changed(TEXTS[5], 1), "new", "word1 word2 word3"]
    found = leakage(tmp_path, texts, [21, 22, 23])
    assert (found.num_validation, found.num_exact, found.num_near) == (3, 1, 1)
    assert (found.num_train, found.num_train_compared) == (21, 21)
    twins = [(twin.validation.row, twin.train.row, twin.exact) for twin in found.first]
    assert twins == [(21, 4, True), (22, 6, False)]


def test_a_large_dataset_is_sampled_and_says_so(tmp_path: Path) -> None:
    found = leakage(tmp_path, TEXTS, [1, 2], max_compared=50)
    assert (found.num_train, found.num_train_compared) == (198, 50)


def test_nothing_measured_is_nothing_leaked(tmp_path: Path) -> None:
    assert leakage(tmp_path, TEXTS[:3], []).num_exact == 0
