"""Static files."""

from fastapi import Depends, Request, Response
from starlette.staticfiles import StaticFiles

from tunesmith.api.access import anybody
from tunesmith.console.assets import STATIC
from tunesmith.console.pages import page_router

router = page_router()
_files = StaticFiles(directory=STATIC)


@router.get("/static/{digest}/{path:path}", dependencies=[Depends(anybody)])
async def static_file(digest: str, path: str, request: Request) -> Response:
    """A file of the console; its address changes with its content."""
    response = await _files.get_response(path, request.scope)
    if response.status_code == 200:
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
    return response
