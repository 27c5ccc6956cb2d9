"""A real server under abuse still answers, and other tenants' jobs go on (X15)."""

import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.api.serving import Served, serving
from tunesmith.service import submitting
from tunesmith.service.access import authenticate
from tunesmith.service.job_requests import PullRequest
from tunesmith.service.worker import WorkerLoop
from tunesmith.store.claims import Room

NUM_SLOW = 200
MOST_SECONDS = 1.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with serving(tmp_path_factory.mktemp("abuse"), "server") as made:
        yield made


@contextmanager
def health_watched(served: Served) -> Generator[list[float]]:
    """Seconds of each answer of `/health`, asked again and again while the block lasts."""
    seconds: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            began = time.monotonic()
            urllib.request.urlopen(f"{served.address}/health", timeout=30).close()
            seconds.append(time.monotonic() - began)
            over.wait(0.02)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seconds
    finally:
        over.set()
        thread.join()


def test_health_answers_while_two_hundred_callers_dawdle(served: Served) -> None:
    with health_watched(served) as seconds, ExitStack() as open_sockets:
        slow = [
            open_sockets.enter_context(socket.create_connection(("127.0.0.1", served.port)))
            for _ in range(NUM_SLOW)
        ]
        for each in slow:
            each.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        for _ in range(5):
            for each in slow:
                each.sendall(b"X-Slow: yes\r\n")  # headers that never end
            time.sleep(0.2)
    assert len(seconds) > 5
    assert sorted(seconds)[len(seconds) * 9 // 10] < MOST_SECONDS


def test_health_answers_while_large_bodies_and_many_ranges_come(served: Served) -> None:
    ranges = "bytes=" + ",".join(f"{start}-{start + 1}" for start in range(0, 20_000, 2))

    def flood(number: int) -> int:
        request = urllib.request.Request(
            f"{served.address}/api/v1/keys" if number % 2 else f"{served.address}/version",
            data=b"[" * 900_000 if number % 2 else None,
            headers={
                "authorization": f"Bearer {served.key}",
                "content-type": "application/json",
                **({} if number % 2 else {"range": ranges[:8000]}),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code

    with health_watched(served) as seconds, ThreadPoolExecutor(10) as pool:
        statuses = set(pool.map(flood, range(60)))
    assert statuses <= {200, 400, 422}
    assert sorted(seconds)[len(seconds) * 9 // 10] < MOST_SECONDS


def test_a_tenant_with_a_full_queue_does_not_hold_others_up(served: Served) -> None:
    """A hundred waiting jobs of one tenant; the other tenant's only one is first or second."""
    services = served.services
    flooding = authenticate(services, served.key)
    modest = authenticate(services, served.add_member("modest@example.org", tenant="modest"))
    assert flooding is not None
    assert modest is not None
    for _ in range(100):
        submitting.submit_job(services, PullRequest(model="smollm2-135m"), actor=flooding)
    mine = submitting.submit_job(services, PullRequest(model="smollm2-135m"), actor=modest)
    taken: list[str] = []

    class Notes:
        """A backend that only writes down what it is to run."""

        def start(self, folder: Path, *, room: Room) -> "Notes":
            taken.append(folder.name)
            return self

        def ended(self) -> None:
            return None

        def stop(self) -> None:
            pass

        def kill(self) -> None:
            pass

    room = Room(num_cores=2, memory_bytes=2**30, num_gpus=0)
    for _ in range(2):
        assert WorkerLoop(services, Notes(), room).turn()
    assert mine.id in taken
