"""How commands that need much of the house load it."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def loading() -> Generator[None]:
    """Import without the garbage collector: what modules are made of stays anyway.

    It would look through all of them again and again, a quarter of the time that it takes the
    server to load.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
