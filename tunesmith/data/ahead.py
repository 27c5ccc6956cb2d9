"""An iterable worked through in a thread, so that making items and using them share the time."""

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

T = TypeVar("T")
_END = object()


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
