"""The first page: says that the service runs and where things are, until the console is here."""

from pathlib import Path

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse

from tunesmith.api.access import anybody

router = APIRouter(tags=["health"], dependencies=[Depends(anybody)])

_PAGE = Path(__file__).parents[1] / "pages" / "home.html"


@router.get("/", response_class=FileResponse, include_in_schema=False)
def home() -> FileResponse:
    """A page for who opens the address in a browser."""
    return FileResponse(_PAGE)
