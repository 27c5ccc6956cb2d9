import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.text.tiny import tiny_codec
from tunesmith.data.config import MixConfig, NoValidation, SplitValidation, Validation
from tunesmith.data.dataset import import_dataset
from tunesmith.data.mix import Selection, auto_ratio, select_examples
from tunesmith.data.tokenize import TokenStore, tokenize_dataset

EVERYTHING = NoValidation()
WORDS = ("hello", "world", "you", "again", "there")


def store(folder: Path, num_rows: int, *, answer: str = "hello you", size: int = 1) -> TokenStore:
    folder.mkdir()
    rows = [
        {"prompt": f"{WORDS[n % 5]} {n}", "completion": f"{answer} {n} " * size}
        for n in range(num_rows)
    ]
    source = folder / "rows.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    version = import_dataset(source, into=folder / "versions")
    return tokenize_dataset(
        version,
        tiny_codec(),
        max_length=512,
        system_prompt="",
        train_on="answers",
        cache=folder / "cache",
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> list[TokenStore]:
    folder = tmp_path_factory.mktemp("stores")
    return [store(folder / "a", 40), store(folder / "b", 10, size=4), store(folder / "c", 300)]


def select(
    stores: Sequence[TokenStore],
    weights: Sequence[float],
    *,
    mix: tuple[TokenStore, MixConfig] | None = None,
    validation: Validation = EVERYTHING,
    seed: int = 5,
) -> Selection:
    return select_examples(stores, weights=weights, mix=mix, validation=validation, seed=seed)


def times_seen(selection: Selection) -> list[int]:
    return np.bincount(selection.train, minlength=len(selection.store)).tolist()


def test_weight_one_is_every_example_once(stores: list[TokenStore]) -> None:
    assert times_seen(select(stores[:2], [1, 1])) == [1] * 50


def test_a_weight_repeats_and_draws(stores: list[TokenStore]) -> None:
    selection = select(stores[:2], [2.3, 0.25])
    seen = times_seen(selection)
    assert sorted(set(seen[:40])) == [2, 3]
    assert sum(seen[:40]) == 80 + 12
    assert sum(seen[40:]) == 2  # round(0.25 * 10), half to even
    assert [share.num_examples for share in selection.shares] == [92, 2]


def test_the_smallest_weight_leaves_one_example(stores: list[TokenStore]) -> None:
    assert sum(times_seen(select(stores[:1], [0.001]))) == 1


def test_the_seed_decides_what_a_fraction_draws(stores: list[TokenStore]) -> None:
    drawn = {seed: select(stores[:1], [0.5], seed=seed).train.tolist() for seed in (1, 2)}
    assert drawn[1] == select(stores[:1], [0.5], seed=1).train.tolist()
    assert drawn[1] != drawn[2]


def test_no_measured_example_is_trained_whatever_the_weight(stores: list[TokenStore]) -> None:
    validation = SplitValidation(percent=20)
    mix = (stores[2], MixConfig(dataset="general", ratio=0.5))
    selection = select(stores[:2], [3, 0.5], mix=mix, validation=validation)
    assert len(selection.validation) == 10
    assert not set(selection.train.tolist()) & set(selection.validation.tolist())
    alone = select(stores[:2], [1, 1], validation=validation)
    assert selection.validation.tolist() == alone.validation.tolist()


@pytest.mark.parametrize("ratio", [0.05, 0.2, 0.5, 0.9])
def test_a_mix_has_the_ratio_asked_for_in_tokens(stores: list[TokenStore], ratio: float) -> None:
    mix = (stores[2], MixConfig(dataset="general", ratio=ratio))
    selection = select(stores[:2], [1, 2], mix=mix)
    tokens = [share.num_tokens for share in selection.shares]
    one_example = float(np.diff(stores[2].starts).max())
    assert abs(tokens[-1] - ratio * sum(tokens)) <= one_example
    lengths = np.diff(selection.store.starts)[selection.train]
    assert sum(tokens) == int(lengths.sum())


def test_a_mix_too_small_for_its_ratio_repeats(stores: list[TokenStore]) -> None:
    mix = (stores[1], MixConfig(dataset="general", ratio=0.9))
    selection = select([stores[2]], [1], mix=mix)
    seen = times_seen(selection)[300:]
    assert min(seen) >= 1
    assert max(seen) - min(seen) <= 1
    assert sum(seen) > 10


def test_auto_grows_with_the_distance_and_never_repeats(
    tmp_path: Path, stores: list[TokenStore]
) -> None:
    alike = store(tmp_path / "alike", 200)
    apart = store(tmp_path / "apart", 200, answer="zzzz qqqq xxxx")
    near, far = auto_ratio([stores[0]], alike), auto_ratio([stores[0]], apart)
    assert 0.05 <= near < far <= 0.25
    assert auto_ratio([alike], alike) == 0.05
    tiny = store(tmp_path / "tiny", 2)
    mix = (tiny, MixConfig(dataset="general"))
    assert times_seen(select([stores[2]], [1], mix=mix))[300:] == [1, 1]


def test_trained_tokens_are_counted_as_the_loss_counts_them(stores: list[TokenStore]) -> None:
    from tunesmith.data.loader import TrainingBatches

    selection = select(stores[:2], [1.5, 2])
    batches = TrainingBatches(selection.store, selection.train, 4, 2, seed=1)
    steps = [b for step in range(batches.steps_per_epoch) for b in batches.of_step(step)]
    shares = selection.shares
    assert sum(batch.num_tokens for batch in steps) == sum(s.num_tokens for s in shares)
    trained = sum(batch.num_trained_tokens for batch in steps)
    assert trained == sum(share.num_trained_tokens for share in shares)
