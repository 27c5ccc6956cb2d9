"""Work beside a process's own."""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def running_beside(run: Callable[[threading.Event], None], *, name: str) -> Generator[None]:
    """Let `run` work in a thread of its own while the context lasts; its event says when to end."""
    stopping = threading.Event()
    thread = threading.Thread(target=run, args=(stopping,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
