"""The sides of the comparison: each a child process that trains once and leaves a JSON file."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.environment import make_environment
from benchmarks.task import ROOT, TASK, WORK, Task
from tunesmith.errors import RunFailed
from tunesmith.schema import Strict

OURS = "ours"
PEERS = ("trl-defaults", "trl-best", "trl-fp32")


class Measured(Strict):
    """One run of one side. Times are seconds, moments are Unix time, lists have one entry a step.

    Attributes:
        step_seconds: to its end from that of the step before (the first: from the start).
        num_tokens: real tokens, without padding.
        began_at: the child's first line of Python.
        spawned_at: the parent's moment before starting the child; `ended_at` after its end.
        peak_rss_bytes: `ru_maxrss` of the child.
        adapter: folder of the trained pairs, in PEFT's format.
    """

    side: str
    losses: list[float]
    learning_rates: list[float]
    step_seconds: list[float]
    num_tokens: list[int]
    num_trained_tokens: list[int]
    began_at: float
    first_step_ended_at: float
    peak_rss_bytes: int
    adapter: str
    precision: str
    num_threads: int
    software: dict[str, str]
    spawned_at: float
    ended_at: float

    @property
    def tokens_per_second(self) -> float:
        """All real tokens over all seconds of training, without the first step, which warms up."""
        return sum(self.num_tokens[1:]) / sum(self.step_seconds[1:])

    @property
    def seconds_to_first_step(self) -> float:
        """From the start of the process to the end of its first optimizer step."""
        return self.first_step_ended_at - self.spawned_at


def run_side(side: str, task: Task, *, label: str, python: Path | None) -> Measured:
    """Train once as `side`; `python` is the peer's.

    Raises:
        RunFailed: the child failed; its output lies in a log.
    """
    out = fresh_folder(f"{side}-{label}")
    spawned_at = time.time()
    _run(side, task, out, python=python)
    moments = {"spawned_at": spawned_at, "ended_at": time.time()}
    return Measured.model_validate({**read_json(out / "measured.json"), **moments})


def warm_up(side: str, task: Task, *, python: Path | None) -> None:
    """Fill the caches of a side: ours plans, which caches tokens; the peer takes one step."""
    short = ["--plan"] if side == OURS else ["--max-steps", "1"]
    _run(side, task, fresh_folder(f"{side}-warm-up"), short, python=python)


def _run(
    side: str, task: Task, out: Path, more: Sequence[str] = (), *, python: Path | None
) -> None:
    if side == OURS:
        command = ["-m", "benchmarks.ours_side", task.recipe, str(out), *more]
        run_child(command, out, TUNESMITH_HOME=task.home)
    else:
        script = str(ROOT / "benchmarks" / "peers" / "trl_side.py")
        command = [script, "--task", str(TASK), "--side", side, "--out", str(out), *more]
        cache = str(WORK / "huggingface")
        run_child(command, out, python=python, HF_HOME=cache, HF_HUB_OFFLINE="1")


def run_child(
    arguments: Sequence[str], out: Path, *, python: Path | None = None, **environment: str
) -> None:
    """Run Python with `arguments` in the repository's folder; what it says goes to `out/log.txt`.

    Raises:
        RunFailed: it ended with an error.
    """
    command = [str(python or sys.executable), *arguments]
    environment = {**os.environ, "TRANSFORMERS_VERBOSITY": "error", **environment}
    log = out / "log.txt"
    with log.open("w", encoding="utf-8") as file:
        ended = subprocess.run(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    if ended.returncode != 0:
        last = log.read_text("utf-8").strip().rpartition("\n")[2]
        raise RunFailed(f"{' '.join(command[1:3])} failed: {last}", hint=f"see {log}")


def peer_python(sides: Sequence[str]) -> Path | None:
    """The Python of the peer's environment, made now if `sides` need it and it is not there."""
    return make_environment() if set(sides) & set(PEERS) else None


def fresh_folder(name: str) -> Path:
    """An empty folder for what a child leaves."""
    folder = WORK / "runs" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def read_json(path: Path) -> dict[str, Any]:
    """What a child wrote."""
    return json.loads(path.read_text("utf-8"))
