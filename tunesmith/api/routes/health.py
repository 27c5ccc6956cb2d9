"""Whether the service lives, and which version it is."""

from dataclasses import dataclass

from fastapi import APIRouter, Depends

import tunesmith
from tunesmith.api.access import ServicesDep, anybody

router = APIRouter(tags=["health"], dependencies=[Depends(anybody)])


@dataclass(frozen=True)
class Health:
    """`ok`, or the error that says what does not answer."""

    status: str


@dataclass(frozen=True)
class Version:
    """Versions of the product and of its API."""

    version: str
    api: str


@router.get("/health")
def health(services: ServicesDep) -> Health:
    """Whether the service and its database answer."""
    with services.database.reading() as db:
        db.connection()
    return Health("ok")


@router.get("/version")
def version() -> Version:
    """Which version answers."""
    return Version(tunesmith.__version__, "v1")
