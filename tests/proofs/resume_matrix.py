"""`make resume-matrix`: kill training at random places and compare the final bytes.

Each trial kills a run of 15 steps one to three times (between steps or in a checkpoint), resumes
it to the end and compares every byte of the result with an undisturbed run of the same recipe, for
each method and each course of the learning rate. Prints one line a trial and a summary; exit code
1 if any trial differs.
"""

import argparse
import random
import tempfile
from pathlib import Path
from typing import Any

from tests.training import runs as small

METHODS: dict[str, dict[str, Any]] = {
    "lora": {"method": {"kind": "lora", "rank": 2, "dropout": 0.2}},
    "lora-bf16": {"method": {"kind": "lora", "rank": 2}, "precision": "bf16"},
    "full": {"method": {"kind": "full"}, "precision": "fp32"},
    "full-bf16": {"method": {"kind": "full"}, "precision": "bf16"},
}
SCHEDULES = ("linear", "cosine", "inverse-sqrt", "constant", "polynomial", "cosine-restarts")
PLACES = (
    "loop.after_step",
    "checkpoint.before_write",
    "checkpoint.before_manifest",
    "checkpoint.before_rename",
    "checkpoint.after_rename",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=2, help="kills of each method and course")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    num_equal = num_trials = 0
    with tempfile.TemporaryDirectory() as scratch:
        home, base = small.make_home(Path(scratch))
        for method, changes in METHODS.items():
            for schedule in SCHEDULES:
                values = small.recipe(base) | changes
                values["training"] = values["training"] | {"scheduler": schedule}
                whole = small.create(home, values)
                small.run_to_end(whole)
                expected = small.result_bytes(whole)
                for _ in range(arguments.trials):
                    kills = _random_kills(chance)
                    folder = small.create(home, values)
                    for kill in kills:
                        small.run_until_killed(folder, kill)
                    small.run_to_end(folder)
                    equal = small.result_bytes(folder) == expected
                    num_trials += 1
                    num_equal += equal
                    verdict = "equal" if equal else "DIFFERENT"
                    print(f"{verdict:10} {method:10} {schedule:16} {', '.join(kills)}", flush=True)
    print(f"{num_equal} of {num_trials} killed runs ended with the bytes of the undisturbed run")
    return 0 if num_equal == num_trials else 1


def _random_kills(chance: random.Random) -> list[str]:
    """One to three places; few enough passages that each is reached before the run ends."""
    num_kills = chance.randint(1, 3)
    return [f"{chance.choice(PLACES)}:{chance.randint(1, 4 - num_kills)}" for _ in range(num_kills)]


if __name__ == "__main__":
    raise SystemExit(main())
