"""What a request carries, where a function makes routes and its shape is known only then."""

from typing import Annotated, Any, TypeVar

from fastapi import Body, Depends, Form
from pydantic import BaseModel

Sent = TypeVar("Sent", bound=BaseModel)


def body_of(shape: type[BaseModel]) -> Any:
    """The dependency that gives the JSON of a request as `shape`."""
    return _sent(shape, Body())


def form_of(shape: type[BaseModel]) -> Any:
    """The dependency that gives the form of a request as `shape`."""
    return _sent(shape, Form())


def _sent(shape: type[BaseModel], where: Any) -> Any:
    async def read(sent: Sent) -> Sent:  # async: it is no work for another thread
        return sent

    read.__annotations__["sent"] = Annotated[shape, where]  # from which FastAPI reads the request
    return Depends(read)
