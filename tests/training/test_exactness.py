"""A few of the recipes of `make exactness`."""

from pathlib import Path

from tests.proofs import exactness


def test_random_recipes_do_what_was_foretold(tmp_path: Path) -> None:
    assert exactness.prove(tmp_path, num_recipes=6, seed=3) == 6


def test_a_wrong_figure_would_be_found(tmp_path: Path) -> None:
    """The formulas of the proof are its own: here they count one row too many."""
    world = exactness.make_world(tmp_path)
    values = {
        "name": "exact",
        "model": str(world.base),
        "data": {"train": [{"dataset": "rows-17", "weight": 1.0}], "validation": "none"},
        "method": {"kind": "lora", "rank": 1},
        "training": {
            "epochs": 1,
            "batch_size": 8,
            "gradient_accumulation": 1,
            "learning_rate": 1e-4,
            "scheduler": "linear",
            "warmup_ratio": 0.0,
            "min_rate_ratio": 0.1,
            "evaluate_every": "epoch",
        },
    }
    assert exactness.differences(world, values) == []
    world.num_tokens["rows-17"] += 1
    [found] = exactness.differences(world, values) or []
    assert found.startswith("tokens by the template")
