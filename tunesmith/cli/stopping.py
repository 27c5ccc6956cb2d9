"""How a long-running command learns that it should stop."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_requested(*, tethered: bool) -> Generator[Callable[[], bool]]:
    """Whether SIGINT or SIGTERM came; with `tethered`, also whether standard input was closed."""
    stop = threading.Event()

    def request(signum: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request)
    if tethered:
        threading.Thread(target=_wait_for_end, args=(stop,), daemon=True).start()
    yield stop.is_set


def _wait_for_end(stop: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop.set()
