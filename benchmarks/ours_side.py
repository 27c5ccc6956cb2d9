"""Child process: the task by the very command `tunesmith train`, measured by its event file."""

import time

BEGAN = time.time()  # before the imports, which count

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from datetime import datetime  # noqa: E402
from itertools import pairwise  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from tunesmith.cli.main import app  # noqa: E402
from tunesmith.events import current_history, read_events  # noqa: E402
from tunesmith.jobs.folder import EVENTS  # noqa: E402
from tunesmith.service import runs  # noqa: E402
from tunesmith.store.home import open_home  # noqa: E402
from tunesmith.training.job import RESULT  # noqa: E402


def main(recipe: str, out: Path, *, plan_only: bool) -> None:
    """Train, then write what was measured; with `plan_only`, stop before the first step."""
    app(["train", recipe, *(["--plan"] if plan_only else [])], standalone_mode=False)
    if not plan_only:
        home = open_home()
        (out / "measured.json").write_text(json.dumps(measure(runs.list_runs(home)[0]), indent=1))


def measure(view: runs.RunView) -> dict[str, Any]:
    """What the parent reads, see `benchmarks.sides.Measured`."""
    import torch
    import transformers

    import tunesmith
    from tunesmith.modeling.load import resolve_precision

    folder = Path(view.folder)
    history = current_history(read_events(folder / EVENTS))
    steps = [event for event in history if event["kind"] == "step"]
    ends = [_seconds(event) for event in history if event["kind"] in ("started", "step")]
    return {
        "side": "ours",
        "losses": [step["loss"] for step in steps],
        "learning_rates": [step["learning_rate"] for step in steps],
        "step_seconds": [after - before for before, after in pairwise(ends)],
        "num_tokens": [step["num_tokens"] for step in steps],
        "num_trained_tokens": [step["num_trained_tokens"] for step in steps],
        "began_at": BEGAN,
        "first_step_ended_at": ends[1],
        "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "adapter": str(folder / RESULT),
        "precision": resolve_precision(runs.read_job(folder).config.precision),
        "num_threads": torch.get_num_threads(),
        "software": {m.__name__: m.__version__ for m in (torch, transformers, tunesmith)},
    }


def _seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), plan_only="--plan" in sys.argv)
