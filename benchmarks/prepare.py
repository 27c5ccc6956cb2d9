"""Child process that prepares the task: datasets, recipe, initial adapter, and the peer's examples.

It leaves everything warm: tokens cached, the base model converted and in the page cache.
"""

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.task import (
    BATCH_SIZE,
    LEARNING_RATE,
    LORA_ALPHA,
    LORA_RANK,
    MAX_LENGTH,
    MODEL,
    NUM_HELD_OUT,
    SEED,
    TASK,
    WORK,
    Task,
)
from tunesmith.artifacts import write_json
from tunesmith.data.dataset import open_version, read_examples
from tunesmith.data.loader import PackedBatch, TrainingBatches
from tunesmith.errors import DatasetRejected
from tunesmith.modeling.load import load_model
from tunesmith.modeling.methods import METHODS
from tunesmith.service import datasets, runs
from tunesmith.store.home import Home, open_home
from tunesmith.text.conversation import Conversation
from tunesmith.training.config import TrainConfig
from tunesmith.training.plan import plan_training

RUN_NAME, TRAIN, HELD_OUT = "benchmark", "benchmark-train", "benchmark-held-out"


def main(data: Path, rows: int, precision: str) -> None:
    """Write the task: train on the first `rows` of `data`, hold out the next ones."""
    home = _own_home()
    held_out = _import_rows(home, data, rows)
    config = runs.recipe_of(_recipe(rows, precision))
    recipe = WORK / "recipe.yaml"
    write_json(recipe, config.model_dump(mode="json"))  # JSON is YAML
    job = runs.prepare_job(home, config, now=datetime.now(), say=print)
    plan = plan_training(job, runs=home.runs, emit=lambda event: None)
    batches = list(_batches(plan.batches))
    if max(max(batch.lengths) for batch in batches) >= MAX_LENGTH:
        raise DatasetRejected(f"among the first {rows} rows of {data} are some that would be cut")
    task = Task(
        home=str(home.folder),
        recipe=str(recipe),
        base=job.base.folder,
        adapter=str(_write_initial_adapter(config, Path(job.base.folder))),
        examples=str(_write_examples(Path(job.train[0].folder), plan.batches)),
        held_out=held_out,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        max_length=MAX_LENGTH,
        seed=SEED,
        num_tokens=[batch.num_tokens for batch in batches],
        num_trained_tokens=[batch.num_trained_tokens for batch in batches],
    )
    write_json(TASK, task.model_dump(mode="json"))


def _own_home() -> Home:
    """A home for the benchmark's runs and datasets, beside the user's but with the same models."""
    home, models = Home(WORK / "home"), open_home().models.resolve()
    home.folder.mkdir(parents=True, exist_ok=True)
    models.mkdir(parents=True, exist_ok=True)
    home.models.unlink(missing_ok=True)
    home.models.symlink_to(models)
    return home


def _import_rows(home: Home, data: Path, rows: int) -> str:
    """Import both parts of `data`; return the folder of the held-out version."""
    values = json.loads(data.read_text("utf-8"))
    if len(values) < rows + NUM_HELD_OUT:
        raise DatasetRejected(
            f"{data} has {len(values)} rows, {rows} + {NUM_HELD_OUT} held out are needed",
            hint="give a smaller --rows",
        )
    folder = ""
    for name, part in (
        (TRAIN, values[:rows]),
        (HELD_OUT, values[rows : rows + NUM_HELD_OUT]),
    ):
        source = WORK / f"{name}.json"
        source.write_text(json.dumps(part), "utf-8")
        folder = datasets.add_dataset(home, source, name=name).folder
    return folder


def _recipe(rows: int, precision: str) -> dict[str, Any]:
    """Our side's settings.

    The lowest rate is peak / steps: with it our linear course, which reaches its floor at the last
    step, is peak * (steps - step) / steps, the one of transformers' linear schedule.
    """
    num_steps = ceil(rows / BATCH_SIZE)
    return {
        "name": RUN_NAME,
        "model": MODEL,
        "data": {"train": TRAIN, "validation": "none", "max_length": MAX_LENGTH},
        "method": {"kind": "lora", "rank": LORA_RANK, "alpha": LORA_ALPHA, "targets": "all-linear"},
        "training": {
            "epochs": 1,
            "batch_size": BATCH_SIZE,
            "learning_rate": LEARNING_RATE,
            "scheduler": "linear",
            "warmup_ratio": 0.0,
            "min_rate_ratio": 1 / num_steps,
        },
        "checkpoint": {"every_minutes": 120.0},  # none but the last, as the peer
        "precision": precision,
        "seed": SEED,
    }


def _write_initial_adapter(config: TrainConfig, base: Path) -> Path:
    """The pairs as a run with this recipe draws them; which dtype the base has does not matter."""
    folder = WORK / "initial-adapter"
    folder.mkdir(exist_ok=True)
    model = load_model(base, dtype="fp32", packed=True)
    method = METHODS[config.method.kind]
    method.apply(model, config.method, seed=config.seed)
    method.save(model, config.method, folder, base=base)
    return folder


def _write_examples(version: Path, batches: TrainingBatches) -> Path:
    """The conversations in training order, in the field's usual form."""
    by_row = dict(read_examples(open_version(version)))
    path = WORK / "examples.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index in _training_order(batches):
            example = by_row[int(batches.store.rows[index])]
            assert isinstance(example, Conversation)
            messages = [{"role": m.role, "content": m.content} for m in example.messages]
            file.write(json.dumps({"messages": messages}) + "\n")
    return path


def _training_order(batches: TrainingBatches) -> Iterator[int]:
    """Indices into the store in the order of the first epoch, read off the packed tokens."""
    store = batches.store
    by_tokens = {store.example(int(i))[0].tobytes(): int(i) for i in batches.indices}
    for batch in _batches(batches):
        start = 0
        for length in batch.lengths:
            tokens = batch.token_ids_T[start : start + length]
            yield by_tokens[tokens.astype(store.token_ids.dtype).tobytes()]
            start += length


def _batches(batches: TrainingBatches) -> Iterator[PackedBatch]:
    return (batch for step in range(batches.steps_per_epoch) for batch in batches.of_step(step))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
