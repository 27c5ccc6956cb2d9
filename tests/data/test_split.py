import numpy as np
import pytest

from tunesmith.data.config import (
    DatasetValidation,
    FoldValidation,
    NoValidation,
    SplitValidation,
)
from tunesmith.data.split import split_examples, take_validation


@pytest.mark.parametrize(
    ("num_examples", "percent", "mode", "num_train", "num_validation"),
    [
        (1000, 5, "exclude-used", 950, 50),
        (10_000, 50, "exclude-used", 9_900, 100),
        (10_000, 50, "seed-exact", 5_000, 100),
        (101, 1, "exclude-used", 99, 2),
        (2, 1, "exclude-used", 1, 1),
        (3, 50, "seed-exact", 1, 2),
        (1, 50, "exclude-used", 1, 0),
        (0, 5, "exclude-used", 0, 0),
    ],
)
def test_how_many_go_where(
    num_examples: int, percent: int, mode: str, num_train: int, num_validation: int
) -> None:
    validation = SplitValidation.model_validate({"percent": percent, "mode": mode})
    split = split_examples(np.arange(num_examples), validation, seed=7)
    assert (len(split.train), len(split.validation)) == (num_train, num_validation)
    assert not set(split.train.tolist()) & set(split.validation.tolist())
    for part in (split.train, split.validation):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


def test_the_seed_decides() -> None:
    def held_out(seed: int) -> list[int]:
        return split_examples(np.arange(500), SplitValidation(), seed=seed).validation.tolist()

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_both_modes_measure_the_same_examples() -> None:
    exclude, exact = (
        split_examples(np.arange(1000), SplitValidation(percent=50, mode=mode), seed=3)
        for mode in ("exclude-used", "seed-exact")
    )
    assert exclude.validation.tolist() == exact.validation.tolist()
    assert set(exact.train.tolist()) < set(exclude.train.tolist())


def test_without_a_split_all_are_trained_on() -> None:
    for validation in (NoValidation(), DatasetValidation(dataset="held-out")):
        split = split_examples(np.arange(3), validation, seed=0)
        assert (split.train.tolist(), split.validation.tolist()) == ([0, 1, 2], [])


def test_a_validation_dataset_gives_its_first_or_random_examples() -> None:
    first = DatasetValidation(dataset="held-out", max_examples=3)
    assert take_validation(10, first, seed=1).tolist() == [0, 1, 2]
    assert take_validation(2, first, seed=1).tolist() == [0, 1]
    chosen = DatasetValidation(dataset="held-out", max_examples=5, pick="random")
    picks = take_validation(1000, chosen, seed=1)
    assert len(picks) == 5
    assert (np.diff(picks) > 0).all()
    assert picks.tolist() == take_validation(1000, chosen, seed=1).tolist()
    assert picks.tolist() != [0, 1, 2, 3, 4]


def test_the_windows_of_a_passage_stay_together() -> None:
    groups = np.repeat(np.arange(50), 7)
    split = split_examples(groups, SplitValidation(percent=10), seed=3)
    assert not set(groups[split.train]) & set(groups[split.validation])
    assert len(split.validation) == 35
    assert len(split.train) == 315


def test_more_windows_than_measured_are_held_out_all_the_same() -> None:
    groups = np.repeat(np.arange(4), 1000)
    split = split_examples(groups, SplitValidation(percent=10), seed=3)
    assert (len(split.train), len(split.validation)) == (3000, 100)


def test_each_example_is_in_one_fold() -> None:
    folds = [
        split_examples(np.arange(103), FoldValidation(folds=5, fold=fold), seed=1)
        for fold in range(1, 6)
    ]
    measured = np.concatenate([split.validation for split in folds])
    assert sorted(measured.tolist()) == list(range(103))
    assert {len(split.validation) for split in folds} == {20, 21}
    for split in folds:
        assert sorted([*split.train.tolist(), *split.validation.tolist()]) == list(range(103))


def test_a_validation_seed_reshuffles_alone() -> None:
    first, second = (
        split_examples(np.arange(500), SplitValidation(seed=seed), seed=1).validation.tolist()
        for seed in (None, 2)
    )
    assert first != second
    assert second == split_examples(np.arange(500), SplitValidation(), seed=2).validation.tolist()
