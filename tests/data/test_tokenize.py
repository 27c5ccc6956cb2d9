import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.text.tiny import CHATML, TRIMMING, tiny_codec
from tunesmith import artifacts
from tunesmith.data import parallel
from tunesmith.data import tokenize as module
from tunesmith.data.dataset import DatasetVersion, import_dataset, read_examples
from tunesmith.data.tokenize import TokenStore, concatenate, tokenize_dataset
from tunesmith.errors import DatasetRejected
from tunesmith.text.codec import TextCodec

ROWS = [("hello", "hello you"), ("world", "hello"), ("hello " * 90, "late"), ("hi", "hello " * 60)]


def dataset(folder: Path, rows: list[tuple[str, str]] = ROWS) -> DatasetVersion:
    source = folder / "rows.jsonl"
    records = [json.dumps({"prompt": prompt, "completion": answer}) for prompt, answer in rows]
    source.write_text("\n".join(records))
    return import_dataset(source, into=folder / "versions")


def tokenize(
    folder: Path, version: DatasetVersion, codec: TextCodec | None = None, **options: Any
) -> TokenStore:
    settings: dict[str, Any] = {"max_length": 512, "system_prompt": "", "train_on": "answers"}
    cache = folder / "cache"
    return tokenize_dataset(version, codec or tiny_codec(), cache=cache, **{**settings, **options})


def cached(folder: Path) -> set[str]:
    return {path.name for path in (folder / "cache").iterdir()}


def files_of(cache: Path) -> list[dict[str, bytes]]:
    return [
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in cache.iterdir()
    ]


def test_the_store_holds_what_the_codec_gives(tmp_path: Path) -> None:
    version, codec = dataset(tmp_path), tiny_codec()
    store = tokenize(tmp_path, version, codec)
    assert (len(store), store.rows.tolist()) == (4, [1, 2, 3, 4])
    assert int(store.starts[-1]) == len(store.token_ids) == len(store.trained)
    for index, (_, example) in enumerate(read_examples(version)):
        encoded = codec.encode(example)
        token_ids, trained = store.example(index)
        assert token_ids.tolist() == encoded.token_ids.tolist()
        assert trained.tolist() == encoded.trained.tolist()
    assert isinstance(store.token_ids, np.memmap)
    assert (store.token_ids.dtype, store.trained.dtype) == (np.int32, np.bool_)


def test_the_report_adds_up(tmp_path: Path) -> None:
    store = tokenize(tmp_path, dataset(tmp_path))
    report = store.report
    assert report.num_examples == report.num_turns == report.num_turns_ended == 4
    assert report.end_of_turn_trained == 1
    assert report.num_tokens == len(store.token_ids) == sum(report.tokens_per_role.values())
    assert report.num_trained_tokens == int(store.trained.sum())
    assert report.trained_tokens_per_role == {"assistant": report.num_trained_tokens}
    assert report.longest == int(np.diff(store.starts).max())
    assert sum(report.length_histogram.values()) == 4
    assert list(report.length_histogram) == sorted(report.length_histogram)


def test_what_is_cut_or_left_out_is_counted(tmp_path: Path) -> None:
    store = tokenize(tmp_path, dataset(tmp_path), max_length=70)
    report = store.report
    assert store.rows.tolist() == [1, 2, 4]
    assert (report.num_truncated, report.truncated_rows) == (1, [4])
    assert (report.num_unusable, report.unusable_rows) == (1, [3])
    assert (report.num_turns, report.num_turns_ended) == (4, 2)
    assert int(np.diff(store.starts).max()) == 70 < report.longest


def test_nothing_left_is_refused_and_nothing_is_cached(tmp_path: Path) -> None:
    with pytest.raises(DatasetRejected, match="none of 4 rows has an answer within 10 tokens"):
        tokenize(tmp_path, dataset(tmp_path), max_length=10)
    assert cached(tmp_path) == set()


def test_a_refused_example_is_named_by_its_row(tmp_path: Path) -> None:
    picky = "{% if messages[0].content == 'world' %}{{ raise_exception('no worlds') }}{% endif %}"
    with pytest.raises(DatasetRejected, match=r"row 2: the chat template refuses .*: no worlds"):
        tokenize(tmp_path, dataset(tmp_path), tiny_codec(picky + CHATML))


def test_equal_inputs_reuse_the_cache(tmp_path: Path) -> None:
    version = dataset(tmp_path)
    seen: list[int] = []
    first = tokenize(tmp_path, version, on_progress=seen.append)
    again = tokenize(tmp_path, version, on_progress=seen.append)
    assert seen == [4]
    assert again.token_ids.tolist() == first.token_ids.tolist()
    assert again.report == first.report


def test_batches_and_threads_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = dataset(tmp_path, [(f"question {n}", "hello you " * (n % 7 + 1)) for n in range(50)])
    tokenize(tmp_path, version)
    [one] = files_of(tmp_path / "cache")
    for num_threads, num_characters in [(1, 100), (3, 100), (2, 1)]:
        monkeypatch.setattr(parallel, "_NUM_THREADS", num_threads)
        monkeypatch.setattr(module, "_BATCH_CHARACTERS", num_characters)
        folder = tmp_path / f"{num_threads}-{num_characters}"
        seen: list[int] = []
        tokenize(folder, version, on_progress=seen.append)
        assert files_of(folder / "cache") == [one]
        assert len(seen) > 10
        assert seen == sorted(seen)
        assert seen[-1] == 50


def test_the_first_refused_row_is_named_though_later_ones_are_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH_CHARACTERS", 1)
    refuse = "{% if 'bad' in messages[0].content %}{{ raise_exception('bad') }}{% endif %}"
    rows = [("good", "a" * 20_000), ("bad", "b"), ("bad", "c"), ("bad", "d")]
    with pytest.raises(DatasetRejected, match="row 2: the chat template refuses"):
        tokenize(tmp_path, dataset(tmp_path, rows), tiny_codec(refuse + CHATML))


def test_cancelled_it_leaves_no_file_and_no_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancel(num_examples: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_BATCH_CHARACTERS", 1)
    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        tokenize(tmp_path, dataset(tmp_path), on_progress=cancel)
    assert cached(tmp_path) == set()
    assert threading.active_count() == threads


def test_whatever_changes_the_tokens_misses_the_cache(tmp_path: Path) -> None:
    version = dataset(tmp_path)
    grown = tiny_codec()
    grown.tokenizer.add_tokens(["hello you"])
    tokenize(tmp_path, version)
    tokenize(tmp_path, version, max_length=100)
    tokenize(tmp_path, version, system_prompt="be brief")
    tokenize(tmp_path, version, train_on="all")
    tokenize(tmp_path, version, tiny_codec(TRIMMING))
    tokenize(tmp_path, version, grown)
    tokenize(tmp_path, dataset(tmp_path, ROWS[:2]))
    assert len(cached(tmp_path)) == 7


def test_a_torn_cache_is_made_anew(tmp_path: Path) -> None:
    version = dataset(tmp_path)
    first = tokenize(tmp_path, version).token_ids.tolist()
    [name] = cached(tmp_path)
    (tmp_path / "cache" / name / "token_ids.bin").write_bytes(b"")
    assert tokenize(tmp_path, version).token_ids.tolist() == first
    artifacts.verify(tmp_path / "cache" / name)


def test_stores_are_joined_in_order(tmp_path: Path) -> None:
    one = tokenize(tmp_path, dataset(tmp_path))
    two = tokenize(tmp_path, dataset(tmp_path, ROWS[:2]))
    both = concatenate([one, two])
    assert len(both) == 6
    for index, expected in [(0, one.example(0)), (3, one.example(3)), (5, two.example(1))]:
        assert both.example(index)[0].tolist() == expected[0].tolist()
        assert both.example(index)[1].tolist() == expected[1].tolist()
    assert both.report.num_tokens == one.report.num_tokens + two.report.num_tokens
    assert both.report.longest == one.report.longest
    assert concatenate([one]) is one
