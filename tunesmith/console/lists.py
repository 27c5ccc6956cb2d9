"""Lists that the service gives whole, of which a page shows a part: by search and by page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeAlias, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query

T = TypeVar("T")

_ENTRIES_A_PAGE = 50


@dataclass(frozen=True)
class Part(Generic[T]):
    """What a page shows of a list.

    Attributes:
        shown: those entries.
        first: the number of the first, from 1, among those that fit.
        total: how many fit.
        search: what they have in their names, in any case; empty fits all.
        is_long: whether the whole list has more entries than a page.
    """

    shown: Sequence[T]
    first: int
    total: int
    search: str
    is_long: bool

    @property
    def before(self) -> str:
        """The query of the page before; empty on the first."""
        return self._query(self.first - _ENTRIES_A_PAGE) if self.first > 1 else ""

    @property
    def behind(self) -> str:
        """The query of the page behind; empty on the last."""
        following = self.first + len(self.shown)
        return self._query(following) if following <= self.total else ""

    def _query(self, first: int) -> str:
        return urlencode({"search": self.search, "first": max(first, 1)})


@dataclass(frozen=True)
class Wanted:
    """Which part a visitor asks for."""

    search: str
    first: int

    def of(self, entries: Sequence[T], *, name: Callable[[T], str]) -> Part[T]:
        """That part of `entries`."""
        sought = self.search.casefold()
        fitting = [each for each in entries if sought in name(each).casefold()]
        start = self.first - 1
        return Part(
            shown=fitting[start : start + _ENTRIES_A_PAGE],
            first=self.first,
            total=len(fitting),
            search=self.search,
            is_long=len(entries) > _ENTRIES_A_PAGE,
        )


def _wanted(
    search: Annotated[str, Query(max_length=200)] = "",
    first: Annotated[int, Query(ge=1, le=2**31)] = 1,
) -> Wanted:
    return Wanted(search, first)


WantedPart: TypeAlias = Annotated[Wanted, Depends(_wanted)]
FIRST_PART = Wanted("", 1)
