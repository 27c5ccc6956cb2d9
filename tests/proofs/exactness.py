"""`make exactness`: what is known before a run equals what the run does, over random recipes (R20).

Each trial draws a recipe, works out its figures by the published formulas, asks the preflight for
them, and trains a tiny model to the end. Compared are the sizes of the split, the examples of an
epoch, steps, tokens and trained tokens, validations, warm-up and the floor of the learning rate.
Prints each difference and a summary; exit code 1 if there is one.
"""

import argparse
import json
import random
import tempfile
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil, isclose
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from tests.conftest import make_tiny_model
from tunesmith.artifacts import read_manifest
from tunesmith.data.tokenize import count_trained
from tunesmith.events import Evaluated, Event, StepDone
from tunesmith.jobs import engine
from tunesmith.jobs.engine import Preflight, TrainingPlan
from tunesmith.service import datasets, runs
from tunesmith.store.home import Home
from tunesmith.training.job import RESULT

SIZES = (2, 3, 17, 40, 71)
KINDS = ("linear", "cosine", "inverse-sqrt", "constant", "polynomial", "cosine-restarts")
ENDLESS = ("inverse-sqrt", "constant")  # they have no end to reach the floor at
MOST_STEPS = 100


@dataclass(frozen=True)
class World:
    """A home with a dataset of each of `SIZES`, one to mix in, and a tiny base model.

    `num_tokens` are those of each dataset, counted by its tokenizer's own chat template.
    """

    home: Home
    base: Path
    num_tokens: dict[str, int]


def make_world(folder: Path) -> World:
    base = make_tiny_model(folder / "tiny", hidden_size=24, intermediate_size=24)
    home = Home(folder / "home")
    tokenizer = AutoTokenizer.from_pretrained(base)
    num_tokens: dict[str, int] = {}
    for size in (*SIZES, 300):
        name = f"rows-{size}"
        talks = [_talk(number, size) for number in range(size)]
        source = folder / f"{name}.jsonl"
        source.write_text("\n".join(json.dumps({"messages": talk}) for talk in talks), "utf-8")
        datasets.add_dataset(home, source, name=name)
        texts = (tokenizer.apply_chat_template(talk, tokenize=False) for talk in talks)
        num_tokens[name] = sum(len(tokenizer(text)["input_ids"]) for text in texts)
    return World(home, base, num_tokens)


def _talk(number: int, size: int) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": f"count {number} of {size} " * (1 + number % 5)},
        {"role": "assistant", "content": f"next is {number + 1} " * (1 + number % 3)},
    ]


def random_recipe(chance: random.Random, base: Path) -> dict[str, Any]:
    size = chance.choice(SIZES)
    weight = chance.choice([1.0, 1.0, 2.0, 0.3, 1.7, round(chance.uniform(0.05, 3), 2)])
    ratio = chance.choice([None, None, "auto", round(chance.uniform(0.05, 0.6), 2)])
    training = {
        "epochs": chance.randint(1, 4),
        "batch_size": chance.randint(1, 9),
        "gradient_accumulation": chance.randint(1, 4),
        "learning_rate": chance.choice([1e-4, 2e-5, 7.5e-5]),
        "scheduler": chance.choice(KINDS),
        "warmup_ratio": chance.choice([0.0, 0.01, 0.013, 0.07, 0.28, round(chance.random(), 3)]),
        "min_rate_ratio": chance.choice([0.0, 1e-5, 0.067, 0.1, round(chance.random(), 3)]),
        "evaluate_every": chance.choice(["epoch", chance.randint(1, 12)]),
    }
    return {
        "name": "exact",
        "model": str(base),
        "data": {
            "train": [{"dataset": f"rows-{size}", "weight": weight}],
            "mix": ratio and {"dataset": "rows-300", "ratio": ratio},
            "validation": _random_validation(chance),
        },
        "method": {"kind": "lora", "rank": 1},
        "training": training,
        "checkpoint": {"every_steps": 1000, "keep": 1},
        "precision": "fp32",
        "seed": chance.randrange(2**32),
    }


def _random_validation(chance: random.Random) -> Any:
    most = chance.choice([1, 5, 100])
    split = {"percent": chance.randint(1, 50), "max_examples": most}
    folds = chance.randint(2, 7)
    return chance.choice(
        [
            "none",
            split,
            split | {"mode": "seed-exact"},
            {"kind": "fold", "folds": folds, "fold": chance.randint(1, folds)},
            {
                "dataset": "rows-17",
                "max_examples": most,
                "pick": chance.choice(["first", "random"]),
            },
        ]
    )


# --- the formulas ----------------------------------------------------------------------------


def split_sizes(num_rows: int, validation: Any) -> tuple[int, int]:
    """Examples to train on and to measure (F32, F33, F34)."""
    if validation == "none":
        return num_rows, 0
    if "dataset" in validation:
        return num_rows, min(17, validation["max_examples"])
    if "folds" in validation:
        whole, rest = divmod(num_rows, validation["folds"])
        part = whole + (validation["fold"] <= rest)
        return num_rows - part, part
    held_out = min(ceil(Decimal(num_rows * validation["percent"]) / 100), num_rows - 1)
    measured = min(held_out, validation["max_examples"])
    left = num_rows - (held_out if validation.get("mode") == "seed-exact" else measured)
    return left, measured


def weighted(num_examples: int, weight: float) -> int:
    """Examples an epoch sees (F24)."""
    whole, rest = divmod(weight, 1)
    return int(whole) * num_examples + max(round(rest * num_examples), whole == 0)


# --- a trial ---------------------------------------------------------------------------------


def differences(world: World, values: dict[str, Any]) -> list[str] | None:
    """What a run of the recipe `values` does otherwise than foretold; None if it is too long."""
    job = runs.prepare_job(world.home, runs.recipe_of(values), now=datetime(2026, 1, 1))
    plan = engine.plan_training(job, runs=world.home.runs, emit=lambda event: None)
    if plan.total_steps > MOST_STEPS:
        return None
    foretold = engine.check_plan(job, plan, emit=lambda event: None)
    events: list[Event] = []
    folder = runs.create_run(world.home, job)
    runs.run(folder, listener=events.append, plan=plan)
    result = read_manifest(folder / RESULT)
    assert result is not None
    steps = [event for event in events if isinstance(event, StepDone)]
    evaluations = [event for event in events if isinstance(event, Evaluated)]
    figures = {
        **_by_formula(world, values, foretold),
        **_by_preflight(values, plan, foretold, steps, evaluations),
        "steps of the result": (foretold.total_steps, result.lineage["steps"]),
    }
    return [
        f"{what}: {expected} foretold, {observed} observed"
        for what, (expected, observed) in figures.items()
        if expected != observed
    ] + _rate_differences(values, steps)


def _by_formula(
    world: World, values: dict[str, Any], foretold: Preflight
) -> dict[str, tuple[int, int]]:
    data, training = values["data"], values["training"]
    [entry] = data["train"]
    train, measured = split_sizes(int(entry["dataset"].removeprefix("rows-")), data["validation"])
    figures = {"validation examples": (measured, foretold.num_validation_examples)}
    own = foretold.data[0].share
    assert own is not None
    figures["examples of the dataset"] = (weighted(train, entry["weight"]), own.num_examples)
    per_step = training["batch_size"] * training["gradient_accumulation"]
    num_steps = training["epochs"] * ceil(foretold.num_examples / per_step)
    figures["steps by the formula"] = (num_steps, foretold.total_steps)
    num_warmup = ceil(Decimal(str(training["warmup_ratio"])) * num_steps)
    figures["warm-up by the formula"] = (num_warmup, foretold.num_warmup_steps)
    if measured == 0 and entry["weight"] == 1:
        figures["tokens by the template"] = (world.num_tokens[entry["dataset"]], own.num_tokens)
    return figures


def _by_preflight(
    values: dict[str, Any],
    plan: TrainingPlan,
    foretold: Preflight,
    steps: list[StepDone],
    evaluations: list[Evaluated],
) -> dict[str, tuple[Any, Any]]:
    training = values["training"]
    epochs, every = training["epochs"], training["evaluate_every"]
    num_validations = epochs if every == "epoch" else ceil(foretold.total_steps / every)
    store, indices = plan.validation
    measured = {int(count_trained(store)[indices].sum())} if len(indices) else set[int]()
    return {
        "steps": (foretold.total_steps, len(steps)),
        "tokens": (epochs * foretold.num_tokens, sum(step.num_tokens for step in steps)),
        "trained tokens": (
            epochs * foretold.num_trained_tokens,
            sum(step.num_trained_tokens for step in steps),
        ),
        "validations": (num_validations if len(indices) else 0, len(evaluations)),
        "measured tokens": (measured, {each.num_trained_tokens for each in evaluations}),
    }


def _rate_differences(values: dict[str, Any], steps: list[StepDone]) -> list[str]:
    """Warm-up climbs evenly to the peak, which is never exceeded; the last step is at the floor."""
    training = values["training"]
    peak, floor = training["learning_rate"], training["learning_rate"] * training["min_rate_ratio"]
    rates = [step.learning_rate for step in steps]
    num_warmup = ceil(Decimal(str(training["warmup_ratio"])) * len(rates))
    expected = [peak * (step + 1) / num_warmup for step in range(num_warmup)]
    expected += [peak] * (num_warmup < len(rates))  # the step after it
    found = [
        f"rate of step {step + 1}: {want:g} foretold, {rate:g} observed"
        for step, (want, rate) in enumerate(zip(expected, rates, strict=False))
        if not isclose(want, rate, rel_tol=1e-12)
    ]
    has_end = training["scheduler"] not in ENDLESS and len(rates) - num_warmup >= 2
    if has_end and not isclose(rates[-1], floor, rel_tol=1e-12, abs_tol=1e-18):
        found.append(f"last rate: {floor:g} foretold, {rates[-1]:g} observed")
    if any(rate > peak * (1 + 1e-12) for rate in rates):
        found.append(f"a rate exceeds the peak {peak:g}")
    return found


def prove(folder: Path, *, num_recipes: int, seed: int) -> int:
    """Try so many random recipes; print what differs, return how many were exact."""
    torch.set_num_threads(1)
    chance = random.Random(seed)
    world = make_world(folder)
    num_tried = num_exact = 0
    while num_tried < num_recipes:
        values = random_recipe(chance, world.base)
        found = differences(world, values)
        if found is None:
            continue
        num_tried += 1
        num_exact += not found
        for line in found:
            print(f"recipe {num_tried}: {line}\n  {json.dumps(values)}", flush=True)
        if num_tried % 100 == 0:
            print(f"{num_exact:,} of {num_tried:,} exact so far", flush=True)
    return num_exact


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        num_exact = prove(Path(scratch), num_recipes=arguments.recipes, seed=arguments.seed)
    print(f"{num_exact:,} of {arguments.recipes:,} random recipes did exactly what was foretold")
    return 0 if num_exact == arguments.recipes else 1


if __name__ == "__main__":
    raise SystemExit(main())
