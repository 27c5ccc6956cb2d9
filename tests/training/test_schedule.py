"""Steps, warm-up and floor are exact (F69, F70, F72)."""

from decimal import Decimal
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.data.loader import TrainingBatches
from tunesmith.service.runs import recipe_of
from tunesmith.training.config import TrainConfig
from tunesmith.training.schedule import make_schedule

KINDS = ["linear", "cosine", "inverse-sqrt", "constant", "polynomial", "cosine-restarts"]
ENDLESS = {"inverse-sqrt", "constant"}  # they have no end to reach the floor at


def _config(**training: object) -> TrainConfig:
    return recipe_of({"name": "r", "model": "m", "data": {"train": "d"}, "training": training})


@given(
    kind=st.sampled_from(KINDS),
    total=st.integers(1, 400),
    warmup_ratio=st.floats(0, 1),
    min_ratio=st.floats(0, 1),
)
def test_every_course_climbs_exactly_and_ends_at_the_floor(
    kind: str, total: int, warmup_ratio: float, min_ratio: float
) -> None:
    config = _config(
        scheduler=kind, learning_rate=1e-3, warmup_ratio=warmup_ratio, min_rate_ratio=min_ratio
    )
    schedule = make_schedule(config, total_steps=total)
    rates = [schedule.rate(step) for step in range(total)]
    num_warmup = ceil(Decimal(str(warmup_ratio)) * total)
    assert schedule.num_warmup_steps == num_warmup
    for step in range(num_warmup):
        assert rates[step] == pytest.approx(1e-3 * (step + 1) / num_warmup)
    after = rates[num_warmup:]
    assert all(1e-3 * min_ratio * (1 - 1e-9) <= rate <= 1e-3 * (1 + 1e-9) for rate in after)
    if kind not in ENDLESS and len(after) > 1:
        assert rates[-1] == pytest.approx(1e-3 * min_ratio, abs=1e-12)
    if after:
        assert after[0] == pytest.approx(1e-3)


def test_known_values() -> None:
    common: dict[str, object] = {"learning_rate": 1.0, "warmup_ratio": 0}
    linear = make_schedule(_config(scheduler="linear", min_rate_ratio=0, **common), total_steps=5)
    assert [linear.rate(step) for step in range(5)] == pytest.approx([1, 0.75, 0.5, 0.25, 0])
    cosine = make_schedule(_config(scheduler="cosine", min_rate_ratio=0.1, **common), total_steps=3)
    assert [cosine.rate(step) for step in range(3)] == pytest.approx([1, 0.55, 0.1])
    twice = {"kind": "cosine-restarts", "cycles": 2}
    restarts = make_schedule(_config(scheduler=twice, min_rate_ratio=0, **common), total_steps=9)
    assert restarts.rate(4) == pytest.approx(1), "the second descent begins at the peak"


@pytest.mark.parametrize(("ratio", "total", "num_steps"), [(0.07, 100, 7), (0.28, 25, 7)])
def test_warm_up_is_rounded_up_from_what_the_recipe_says(
    ratio: float, total: int, num_steps: int
) -> None:
    """Not from the product in floating point, which is a little more."""
    assert ratio * total > num_steps
    config = _config(warmup_ratio=ratio)
    assert make_schedule(config, total_steps=total).num_warmup_steps == num_steps


@pytest.mark.parametrize(("kind", "rate"), [("lora", 1e-4), ("full", 2e-5)])
def test_auto_depends_on_the_method(kind: str, rate: float) -> None:
    values = {"name": "r", "model": "m", "data": {"train": "d"}, "method": {"kind": kind}}
    config = recipe_of(values)
    assert config.resolved().training.learning_rate == rate


@given(
    num_examples=st.integers(1, 60),
    batch_size=st.integers(1, 9),
    accumulation=st.integers(1, 4),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 5),
)
def test_an_epoch_takes_every_example_once_in_the_predicted_steps(
    num_examples: int, batch_size: int, accumulation: int, epochs: int, seed: int
) -> None:
    batches = TrainingBatches(
        _one_token_store(num_examples), np.arange(num_examples), batch_size, accumulation, seed
    )
    assert batches.steps_per_epoch == ceil(num_examples / (batch_size * accumulation))
    orders: list[list[int]] = []
    for epoch in range(epochs):
        seen: list[int] = []
        for place in range(batches.steps_per_epoch):
            parts = batches.of_step(epoch * batches.steps_per_epoch + place)
            assert len(parts) <= accumulation
            seen += [int(token) for part in parts for token in part.token_ids_T[::2]]
        assert sorted(seen) == list(range(num_examples))
        orders.append(seen)
    if num_examples > 20 and epochs > 1:
        assert orders[0] != orders[1], "each epoch has an order of its own"


def _one_token_store(num_examples: int) -> "object":
    """Example i is the tokens [i, 0], the second one trained."""
    from tunesmith.data.tokenize import TokenStore

    token_ids = np.zeros(2 * num_examples, np.int32)
    token_ids[::2] = np.arange(num_examples)
    trained = np.zeros(2 * num_examples, np.bool_)
    trained[1::2] = True
    starts = np.arange(0, 2 * num_examples + 1, 2, dtype=np.int64)
    return TokenStore(token_ids, trained, starts, np.arange(num_examples), report=None)  # type: ignore[arg-type]
