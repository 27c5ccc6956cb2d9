"""Small real runs for tests, in processes that can be killed for real."""

import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import make_tiny_model
from tests.forks import PROCESSES
from tunesmith.jobs.folder import EVENTS
from tunesmith.schema import canonical_json
from tunesmith.service import datasets, runs
from tunesmith.store.home import Home

NUM_EXAMPLES = 23  # with 3 held out, 20 are trained on: 5 steps an epoch of 4 examples


def make_home(folder: Path) -> tuple[Home, Path]:
    """A home with one small dataset, and a tiny base model."""
    home = Home(folder / "home")
    source = folder / "counting.jsonl"
    source.write_text("\n".join(counting_rows()) + "\n", "utf-8")
    datasets.add_dataset(home, source, name="counting")
    return home, make_tiny_model(folder / "tiny")


def counting_rows(*, first: int = 0) -> list[str]:
    """Conversations of different lengths, one JSON line each, about the numbers from `first` on."""
    return [
        canonical_json(
            {
                "messages": [
                    {"role": "user", "content": f"what follows {n} " * (1 + n % 4)},
                    {"role": "assistant", "content": f"the answer is {n + 1}"},
                ]
            }
        )
        for n in range(first, first + NUM_EXAMPLES)
    ]


def recipe(base: Path, **changes: Any) -> dict[str, Any]:
    """A recipe of three epochs of five steps with dropout, so that random state matters."""
    values: dict[str, Any] = {
        "name": "tiny-run",
        "model": str(base),
        "data": {"train": "counting", "validation": {"kind": "split", "percent": 12}},
        "method": {"kind": "lora", "rank": 2, "dropout": 0.2},
        "training": {
            "epochs": 3,
            "batch_size": 2,
            "gradient_accumulation": 2,
            "learning_rate": 1e-2,
        },
        "checkpoint": {"every_steps": 2, "keep": "all"},
    }
    for group, settings in changes.items():
        values[group] = (
            {**values[group], **settings} if isinstance(values.get(group), dict) else settings
        )
    return values


def create(home: Home, values: dict[str, Any]) -> Path:
    """The folder of a new run that has not started."""
    job = runs.prepare_job(home, runs.recipe_of(values), now=datetime(2026, 1, 1))
    return runs.create_run(home, job)


def run_until_killed(folder: Path, failpoint: str) -> None:
    """Run in a process of its own that must die of SIGKILL at `failpoint`."""
    assert _run_process(folder, failpoint) == -signal.SIGKILL, f"{failpoint} was never reached"


def run_to_end(folder: Path) -> None:
    """Run in a process of its own that must finish."""
    assert _run_process(folder, None) == 0


def _run_process(folder: Path, failpoint: str | None) -> int | None:
    process = PROCESSES.Process(target=_child, args=(folder, failpoint))
    process.start()
    process.join(timeout=60)  # half of what pytest gives a test, so that this says what hangs
    if process.is_alive():
        process.kill()
        raise AssertionError(
            f"the run hangs; events so far: {(folder / EVENTS).read_text()[-500:]}"
        )
    return process.exitcode


def _child(folder: Path, failpoint: str | None) -> None:
    import torch

    from tunesmith.jobs.run import run_job

    torch.set_num_threads(1)
    if failpoint is not None:
        os.environ["TUNESMITH_FAILPOINT"] = failpoint
    run_job(folder)


def result_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a run's result."""
    result = folder / "result"
    return {p.name: p.read_bytes() for p in sorted(result.iterdir()) if p.is_file()}
