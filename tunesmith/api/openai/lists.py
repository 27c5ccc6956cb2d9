"""Lists as OpenAI's clients page through them: the last id of a page asks for the next one."""

from typing import Annotated, Generic, Literal, TypeVar

from fastapi import Query
from pydantic import BaseModel

Limit = Annotated[int, Query(description="entries a page", ge=1, le=1000)]


class Identified(BaseModel):
    """An object that a list can be paged by."""

    id: str


T = TypeVar("T", bound=Identified)


class ObjectList(BaseModel, Generic[T]):
    """A page; `has_more` says whether another one follows."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


def as_list(data: list[T], *, has_more: bool = False) -> ObjectList[T]:
    """A page of `data`."""
    return ObjectList(
        data=data,
        has_more=has_more,
        first_id=data[0].id if data else None,
        last_id=data[-1].id if data else None,
    )
