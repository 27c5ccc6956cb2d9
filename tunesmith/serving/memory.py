"""Memory is asked for before it is taken (F16, F17)."""

import ctypes
import resource
from collections.abc import Generator
from contextlib import contextmanager

import psutil

from tunesmith.errors import NotEnoughMemory

_GB = 1e9
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_OF_A_LOAD, _OF_A_STEP = 1 << 20, 32 << 20  # the latter is the most that it takes


def check_room(needed: float, *, what: str, hint: str = "") -> None:
    """Refuse what would not fit beside all that is in memory already.

    Raises:
        NotEnoughMemory: with both figures.
    """
    available = room_left()
    if needed > available:
        raise NotEnoughMemory(
            f"{what} needs {needed / _GB:.2f} GB of memory, {available / _GB:.2f} GB are free",
            hint=hint or "unload another model or adapter first",
        )


def limit_data(num_bytes: int) -> None:
    """Let this process take at most so much memory: more is refused, nobody else runs short.

    Raises:
        NotEnoughMemory: it has more already.
    """
    used = psutil.Process().memory_info().data
    if used > num_bytes:
        raise NotEnoughMemory(
            f"{num_bytes / _GB:.2f} GB of memory are allowed, "
            f"{used / _GB:.2f} GB are taken before a model is loaded",
            hint="allow more",
        )
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (num_bytes, hard))


def room_left() -> float:
    """Bytes that this process may still take: what is free, at most what its limit leaves."""
    limit, _ = resource.getrlimit(resource.RLIMIT_DATA)
    free = float(psutil.virtual_memory().available)
    if limit == resource.RLIM_INFINITY:
        return free
    # What the limit counts: private memory that can be written to.
    return min(free, limit - psutil.Process().memory_info().data)


@contextmanager
def giving_back() -> Generator[None]:
    """Within, a weight that is freed goes back to the system.

    By itself glibc keeps what is freed of them for later, and the longer the more: after SmolLM2
    was loaded, 925 MB beside the 316 that it takes. A step is faster if its tensors are kept.
    """
    adjust = getattr(ctypes.CDLL(None), "mallopt", None)  # other systems have none
    if adjust is None:
        yield
        return
    adjust(_M_MMAP_THRESHOLD, _OF_A_LOAD)
    try:
        yield
    finally:
        adjust(_M_MMAP_THRESHOLD, _OF_A_STEP)
        adjust(_M_TRIM_THRESHOLD, 2 * _OF_A_STEP)  # what glibc's own rule would make it
