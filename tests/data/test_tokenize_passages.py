import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.text.tiny import tiny_codec
from tunesmith.data.config import PassagesConfig
from tunesmith.data.dataset import DatasetVersion, import_dataset
from tunesmith.data.passages import cut_pieces, cut_windows
from tunesmith.data.tokenize import TokenStore, source_groups, tokenize_dataset
from tunesmith.text.conversation import Passage

LONG = "hello world, hello you " * 20


def dataset(folder: Path, *texts: str) -> DatasetVersion:
    folder.mkdir(exist_ok=True)
    rows = [json.dumps({"text": text}) for text in texts]
    (folder / "texts.jsonl").write_text("\n".join(rows))
    return import_dataset(folder / "texts.jsonl", into=folder / "versions")


def tokenize(folder: Path, version: DatasetVersion, **passages: Any) -> TokenStore:
    return tokenize_dataset(
        version,
        tiny_codec(),
        max_length=32,
        system_prompt="",
        train_on="answers",
        passages=PassagesConfig(**passages),
        cache=folder / "cache",
    )


@pytest.mark.parametrize("overlap", [0, 1, 8, 31])
@pytest.mark.parametrize("window", [32, 33, 10_000])
def test_every_token_is_trained_once(window: int, overlap: int) -> None:
    whole = tiny_codec().encode(Passage(LONG))
    windows = cut_windows(whole, window=window, overlap=overlap)
    trained = np.concatenate([part.token_ids[part.trained] for part in windows])
    assert trained.tolist() == whole.token_ids.tolist()
    assert all(len(part) <= window and part.usable for part in windows)
    context = max(overlap, 1)
    for before, after in pairwise(windows):
        assert after.token_ids[:context].tolist() == before.token_ids[-context:].tolist()
    ends = [part.turn_ends.tolist() for part in windows]
    assert ends == [*[[]] * (len(windows) - 1), [len(windows[-1]) - 1]]


def test_a_passage_within_the_window_is_left_whole() -> None:
    whole = tiny_codec().encode(Passage("hello"))
    [only] = cut_windows(whole, window=len(whole), overlap=0)
    assert only.trained.all()


def test_pieces_are_cut_and_short_ones_counted() -> None:
    config = PassagesConfig(hard_cut="\n\n\n", skip_shorter_than=4)
    pieces, num_short = cut_pieces(Passage("one two\n\n\nabc \n\n\n\n\n\nthree\n\nfour"), config)
    assert [piece.text for piece in pieces] == ["one two", "three\n\nfour"]
    assert num_short == 2


def test_long_passages_lose_nothing(tmp_path: Path) -> None:
    version = dataset(tmp_path, LONG, "hello", "hi\n\nyou")
    store = tokenize(tmp_path, version)
    report = store.report
    assert (report.num_rows, report.num_truncated, report.num_unusable) == (3, 0, 0)
    assert report.num_examples == len(store) > 3
    assert (report.num_turns, report.num_turns_ended, report.num_whole) == (3, 3, 3)
    assert report.num_whole_unended == 0
    whole = sum(len(tiny_codec().encode(Passage(text))) for text in (LONG, "hello", "hi\n\nyou"))
    assert int(store.trained.sum()) == whole
    assert source_groups([store]).tolist() == [*[0] * (len(store) - 2), 1, 2]
    assert source_groups([store, store])[-1] == 5


def test_short_passages_are_reported(tmp_path: Path) -> None:
    store = tokenize(tmp_path, dataset(tmp_path, LONG, "hi", "hello you"), skip_shorter_than=3)
    assert (store.report.num_rows, store.report.num_short) == (3, 1)
    assert sorted(set(store.rows.tolist())) == [1, 3]


def test_each_setting_misses_the_cache(tmp_path: Path) -> None:
    version = dataset(tmp_path, LONG)
    for settings in ({}, {"window": 16}, {"overlap": 4}, {"hard_cut": ","}, {"window": 16}):
        tokenize(tmp_path, version, **settings)
    assert len(list((tmp_path / "cache").iterdir())) == 4
