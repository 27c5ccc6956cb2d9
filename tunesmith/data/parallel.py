"""Streams whose making and using share the time, by threads."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar, cast

_NUM_THREADS = 2  # one lays out text in Python while the tokenizer of the other needs no Python

_END = object()

T = TypeVar("T")
R = TypeVar("R")


def ahead(items: Iterable[T]) -> Generator[T]:
    """`items`, each made by another thread while the one before it is used.

    An exception comes in its turn. Close the iterator if it may not reach its end: only then is it
    certain that nothing of `items` runs any more.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, iterator, _END)
        while (item := coming.result()) is not _END:
            coming = thread.submit(next, iterator, _END)
            yield cast(T, item)


def map_ahead(work: Callable[[T], R], items: Iterable[T]) -> Generator[R]:
    """`work` of every item, in order, as `map` gives it; threads work on the next few.

    An error of `work` is raised where its result would be, whatever thread was faster. When the
    iterator is closed, what is begun is ended and nothing else is.
    """
    pool = ThreadPoolExecutor(_NUM_THREADS)
    results: deque[Future[R]] = deque()
    try:
        for item in items:
            results.append(pool.submit(work, item))
            if len(results) > _NUM_THREADS:
                yield results.popleft().result()
        while results:
            yield results.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
