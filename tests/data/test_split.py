import numpy as np
import pytest

from tunesmith.data.config import DatasetValidation, NoValidation, SplitValidation
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
    split = split_examples(num_examples, validation, seed=7)
    assert (len(split.train), len(split.validation)) == (num_train, num_validation)
    assert not set(split.train.tolist()) & set(split.validation.tolist())
    for part in (split.train, split.validation):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


def test_the_seed_decides() -> None:
    def held_out(seed: int) -> list[int]:
        return split_examples(500, SplitValidation(), seed=seed).validation.tolist()

    assert held_out(1) == held_out(1)
    assert held_out(1) != held_out(2)


def test_both_modes_measure_the_same_examples() -> None:
    exclude, exact = (
        split_examples(1000, SplitValidation(percent=50, mode=mode), seed=3)
        for mode in ("exclude-used", "seed-exact")
    )
    assert exclude.validation.tolist() == exact.validation.tolist()
    assert set(exact.train.tolist()) < set(exclude.train.tolist())


def test_without_a_split_all_are_trained_on() -> None:
    for validation in (NoValidation(), DatasetValidation(dataset="held-out")):
        split = split_examples(3, validation, seed=0)
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
