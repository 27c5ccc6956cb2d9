"""Job folders, and real processes that run them."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tunesmith.artifacts import write_json
from tunesmith.data.job import ImportJob
from tunesmith.events import read_events
from tunesmith.jobs.folder import EVENTS, JOB


def make_folder(folder: Path, job: BaseModel) -> Path:
    folder.mkdir(parents=True)
    write_json(folder / JOB, job.model_dump(mode="json"))
    return folder


def import_job(folder: Path, source: Path, **changes: Any) -> ImportJob:
    (folder / "scratch").mkdir(exist_ok=True)
    places = {"into": str(folder / "datasets"), "scratch": str(folder / "scratch")}
    return ImportJob(source=str(source), **{**places, **changes})


def start(
    folder: Path,
    *options: str,
    program: Sequence[str] = ("-m", "tunesmith.jobs.run"),
    **how: Any,
) -> "subprocess.Popen[str]":
    """Start the one command as a worker would: in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, *program, str(folder), *options],
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        **how,
    )


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Exit code and standard error."""
    _, error = process.communicate(timeout=60)
    return process.returncode, error


def events(folder: Path, kind: str = "") -> list[dict[str, Any]]:
    return [event for event in read_events(folder / EVENTS) if kind in ("", event["kind"])]


def wait_for(condition: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
