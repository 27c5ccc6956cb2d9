"""P4 and P5: importing chat rows, and tokenizing and packing them, against HF datasets and TRL.

    python -m benchmarks.data --rows 1000000

Every measurement is a child process of its own, and the sides take turns within each round, so that
a ratio compares runs of the same minutes. A peer runs this same file in its own environment. For
tokenizing it is TRL's own preparation, see `benchmarks.peers.trl_preparation`, of the rows that the
peer's import saved: with the processes that it takes by default, one, and with two.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / ".cache" / "benchmarks" / "data"
RESULTS = ROOT / "benchmarks" / "results"
MAX_LENGTH = 1024
SEED = 7

# --- the rows --------------------------------------------------------------------------------


def write_rows(path: Path, num_rows: int) -> None:
    """ShareGPT conversations as chats are: 1 to 3 exchanges of log-normal lengths, Zipf words."""
    chance = random.Random(SEED)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 9))) for _ in range(20_000)]

    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))

    def text(median_words: float) -> str:
        size = max(1, round(median_words * chance.lognormvariate(0, 0.7)))
        return " ".join(chance.choices(words, cum_weights=weights, k=size))

    def turns() -> Iterator[dict[str, str]]:
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            yield {"from": "human", "value": text(20)}
            yield {"from": "gpt", "value": text(55)}

    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as file:
        for _ in range(num_rows):
            file.write(json.dumps({"conversations": list(turns())}) + "\n")
    partial.rename(path)


# --- ours ------------------------------------------------------------------------------------


def import_ours(source: Path, work: Path, base: Path) -> dict[str, float]:
    """Rows to a dataset version."""
    from tunesmith.data.dataset import import_dataset

    begun = time.perf_counter()
    version = import_dataset(source, into=work / "versions")
    return {"seconds": time.perf_counter() - begun, "rows": version.num_examples}


def tokenize_ours(source: Path, work: Path, base: Path) -> dict[str, float]:
    """A dataset version to tokens on disk, and the batches of one epoch."""
    import numpy as np

    from tunesmith.data.dataset import open_version
    from tunesmith.data.loader import TrainingBatches
    from tunesmith.data.tokenize import TokenStore, tokenize_dataset
    from tunesmith.text.codec import TextCodec

    [folder] = (work / "versions").glob("[0-9a-f]*")

    def tokenize() -> TokenStore:
        return tokenize_dataset(
            open_version(folder),
            TextCodec.from_folder(base),
            max_length=MAX_LENGTH,
            system_prompt="",
            train_on="answers",
            cache=work / "tokens",
        )

    begun = time.perf_counter()
    store = tokenize()
    peak_rss_bytes = _peak_rss_bytes()  # what is read below is the kernel's, not ours
    batches = TrainingBatches(store, np.arange(len(store)), 8, 1, seed=SEED)
    num_tokens = sum(
        batch.num_tokens
        for step in range(batches.steps_per_epoch)
        for batch in batches.of_step(step)
    )
    ended = time.perf_counter()
    tokenize()
    return {
        "seconds": ended - begun,
        "again_seconds": time.perf_counter() - ended,
        "rows": len(store),
        "tokens": num_tokens,
        "peak_rss_bytes": peak_rss_bytes,
    }


# --- the peer --------------------------------------------------------------------------------

_ROLES = {"human": "user", "gpt": "assistant"}


def _to_messages(row: dict[str, Any]) -> dict[str, Any]:
    turns = row["conversations"]
    return {"messages": [{"role": _ROLES[t["from"]], "content": t["value"]} for t in turns]}


def import_peer(
    source: Path, work: Path, base: Path, num_proc: int | None = None
) -> dict[str, float]:
    """Load, map to messages, save; by default in one process."""
    from datasets import load_dataset

    for leftover in ("hf-cache", "hf-rows"):
        shutil.rmtree(work / leftover, ignore_errors=True)
    begun = time.perf_counter()
    rows = load_dataset(
        "json", data_files=str(source), split="train", cache_dir=str(work / "hf-cache")
    )
    rows = rows.map(_to_messages, remove_columns=["conversations"], num_proc=num_proc)
    rows.save_to_disk(str(work / "hf-rows"), num_proc=num_proc)
    return {"seconds": time.perf_counter() - begun, "rows": len(rows)}


def tokenize_trl(source: Path, work: Path, base: Path) -> dict[str, float]:
    """TRL's preparation at its defaults."""
    from benchmarks.peers.trl_preparation import prepare

    return prepare(work / "hf-rows", base, max_length=MAX_LENGTH, num_processes=None)


def tokenize_trl_2(source: Path, work: Path, base: Path) -> dict[str, float]:
    """TRL's preparation in two processes."""
    from benchmarks.peers.trl_preparation import prepare

    return prepare(work / "hf-rows", base, max_length=MAX_LENGTH, num_processes=2)


TASKS: dict[str, dict[str, Callable[[Path, Path, Path], dict[str, float]]]] = {
    "import": {
        "ours": import_ours,
        "peer x2": partial(import_peer, num_proc=2),
        "peer": import_peer,  # last, as tokenizing reads what it saves
    },
    "tokenize": {"ours": tokenize_ours, "trl": tokenize_trl, "trl x2": tokenize_trl_2},
}


def child(task: str, side: str, source: Path, work: Path, base: Path) -> None:
    """Do one task and print its figures as the last line."""
    measured = TASKS[task][side](source, work, base)
    print(json.dumps({"peak_rss_bytes": _peak_rss_bytes(), **measured}))


def _peak_rss_bytes() -> int:
    """Of the largest process, if there are several."""
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(each).ru_maxrss for each in whose) * 1024


# --- measuring -------------------------------------------------------------------------------


def main() -> None:
    """Measure the sides in turns, print a table, write benchmarks/results/data.json."""
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], sys.argv[3], *map(Path, sys.argv[4:7]))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tasks", default=",".join(TASKS), help="comma-separated")
    parser.add_argument("--base", type=Path, required=True, help="model folder with a tokenizer")
    options = parser.parse_args()
    from benchmarks.peers.environment import make_environment

    peer = make_environment()
    WORK.mkdir(parents=True, exist_ok=True)
    source = WORK / f"chats-{options.rows}.jsonl"
    if not source.exists():
        print(f"· writing {options.rows:,} rows")
        write_rows(source, options.rows)
    tasks = options.tasks.split(",")
    runs = [_round(tasks, source, options.base.resolve(), peer) for _ in range(options.rounds)]
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "data.json").write_text(json.dumps({"rows": options.rows, "rounds": runs}, indent=1))
    _print_table(runs)


def _round(
    tasks: list[str], source: Path, base: Path, peer: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """Every task on all sides, in turns, from nothing."""
    figures: dict[str, dict[str, dict[str, float]]] = {}
    work = WORK / "round"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for task in tasks:
        figures[task] = {}
        for side in TASKS[task]:
            python = Path(sys.executable) if side == "ours" else peer
            command = [python, __file__, "child", task, side, source, work, base]
            done = subprocess.run(
                list(map(str, command)), cwd=ROOT, env=_environment(), check=True, stdout=-1
            )
            figures[task][side] = json.loads(done.stdout.splitlines()[-1])
            print(f"· {task}, {side}: {figures[task][side]['seconds']:.1f} s", flush=True)
    shutil.rmtree(work)
    return figures


def _environment() -> dict[str, str]:
    quiet = {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "HF_HUB_OFFLINE": "1"}
    keep = ("PATH", "HOME", "TMPDIR", "LANG")
    return {**{k: os.environ[k] for k in keep if k in os.environ}, **quiet, "PYTHONPATH": str(ROOT)}


def _print_table(runs: list[dict[str, dict[str, dict[str, float]]]]) -> None:
    print(f"{'task':10}{'side':9}{'rows/s':>12}{'peak RSS':>12}{'ours / it':>24}")
    for task in runs[0]:
        for side in TASKS[task]:
            ratios = [run[task][side]["seconds"] / run[task]["ours"]["seconds"] for run in runs]
            rate = median(run[task][side]["rows"] / run[task][side]["seconds"] for run in runs)
            peak = max(run[task][side]["peak_rss_bytes"] for run in runs)
            spread = f"{median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
            print(f"{task:10}{side:9}{rate:12,.0f}{peak / 1e6:9,.0f} MB{spread:>24}")


if __name__ == "__main__":
    main()
