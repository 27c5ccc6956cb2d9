"""`python -m benchmarks.api`: benchmark P8, the API under load, and how soon the command answers.

A real server on SQLite holds 100 jobs, half of them at work, half waiting. First 20 clients ask at
the pace of open pages (each five times a second), which gives the times that people see; then they
ask as fast as they can, which gives requests a second. Prints a table and writes JSON.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.client import HTTPConnection
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from tests.api.serving import Served, serving
from tunesmith.service import submitting
from tunesmith.service.access import authenticate
from tunesmith.service.job_requests import PullRequest
from tunesmith.store.tables import Job

RESULTS = Path(__file__).parent / "results"
NUM_JOBS, NUM_CLIENTS = 100, 20
REQUESTS_A_SECOND = 5  # of a client at the pace of an open page
PATHS = (
    "/api/v1/jobs?limit=20",
    "/api/v1/queue",
    "/api/v1/me",
    "/api/v1/jobs/{job}",
    "/api/v1/tenant",
    "/api/v1/models",
)


def fill(served: Served) -> str:
    """Queue the jobs and let half of them be at work; return the id of one."""
    actor = authenticate(served.services, served.key)
    assert actor is not None
    ids = [
        submitting.submit_job(served.services, PullRequest(model="smollm2-135m"), actor=actor).id
        for _ in range(NUM_JOBS)
    ]
    with served.services.database.transaction() as db:
        for job_id in ids[: NUM_JOBS // 2]:
            db.get_one(Job, job_id).status = "running"
    return ids[-1]


def ask(served: Served, job_id: str, *, seconds: float, pace: float | None) -> dict[str, Any]:
    """Let all clients ask for `seconds`, `pace` times a second each, or as fast as they can."""
    times: list[tuple[str, float]] = []
    lock, until = threading.Lock(), time.monotonic() + seconds

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
        own: list[tuple[str, float]] = []
        due = time.monotonic() + number / NUM_CLIENTS / (pace or 1)
        for path in cycle(PATHS[number % len(PATHS) :] + PATHS[: number % len(PATHS)]):
            if pace is not None:
                time.sleep(max(0.0, due - time.monotonic()))
                due += 1 / pace
            began = time.monotonic()
            if began > until:
                break
            headers = {"authorization": f"Bearer {served.key}"}
            connection.request("GET", path.replace("{job}", job_id), headers=headers)
            response = connection.getresponse()
            response.read()
            assert response.status == 200, path
            own.append((path, time.monotonic() - began))
        connection.close()
        with lock:
            times.extend(own)

    before = _server_seconds()
    _together(client)
    cost = 1000 * (_server_seconds() - before) / len(times)
    return {**_figures(times, seconds), "server_cpu_ms": cost}


def _server_seconds() -> float:
    """Processor time of the server so far; unlike waiting, it hardly depends on other work."""
    times = [child.cpu_times() for child in psutil.Process().children()]
    return sum(each.user + each.system for each in times)


def _together(client: Callable[[int], None]) -> None:
    threads = [threading.Thread(target=client, args=(number,)) for number in range(NUM_CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _figures(times: list[tuple[str, float]], seconds: float) -> dict[str, Any]:
    by_path = {path: [s for p, s in times if p == path] for path in PATHS}
    return {
        "requests_a_second": len(times) / seconds,
        **_quantiles([s for _, s in times]),
        "paths": {path: _quantiles(found) for path, found in by_path.items() if found},
    }


def _quantiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50_ms": 1000 * cuts[49], "p99_ms": 1000 * cuts[98]}


def time_help(times: int = 7) -> float:
    """Median seconds of `tunesmith --help`."""
    found: list[float] = []
    for _ in range(times):
        began = time.monotonic()
        command = [sys.executable, "-m", "tunesmith.cli.main", "--help"]
        subprocess.run(command, check=True, capture_output=True)
        found.append(time.monotonic() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=RESULTS / "api.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), "server") as served:
        job_id = fill(served)
        ask(served, job_id, seconds=2, pace=REQUESTS_A_SECOND)  # warm up
        paced = ask(served, job_id, seconds=arguments.seconds, pace=REQUESTS_A_SECOND)
        full = ask(served, job_id, seconds=arguments.seconds, pace=None)
    result = {"paced": paced, "full": full, "help_seconds": time_help()}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"{NUM_JOBS} jobs, {NUM_CLIENTS} clients      requests/s   p50 ms   p99 ms  CPU ms each")
    for name, found in (("at the pace of pages", paced), ("as fast as they can", full)):
        rate = found["requests_a_second"]
        print(
            f"{name:28}{rate:10.0f}{found['p50_ms']:9.1f}{found['p99_ms']:9.1f}{found['server_cpu_ms']:9.2f}"
        )
    for path, found in paced["paths"].items():
        print(f"  {path:36}{found['p50_ms']:11.1f}{found['p99_ms']:9.1f}")
    print(f"tunesmith --help: {result['help_seconds']:.2f} s")


if __name__ == "__main__":
    main()
