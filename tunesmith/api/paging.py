"""Lists come in pages; the last id seen asks for the next one."""

from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

T = TypeVar("T")

After = Annotated[str | None, Query(description="the last id of the page before", max_length=200)]
AfterNumber = Annotated[int, Query(description="how many entries were seen", ge=0, le=2**53)]
Limit = Annotated[int, Query(description="entries a page", ge=1, le=100)]


class Page(BaseModel, Generic[T]):
    """A page of a list; `has_more` says whether another one follows."""

    data: list[T]
    has_more: bool = False
