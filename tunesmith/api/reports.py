"""Pages to take home: HTML files that hold what models wrote."""

from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse

REPORT_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/html": {}}, "description": "a page to keep"}
}


def report_file(page: str, *, name: str) -> HTMLResponse:
    """`page` as a file. What models wrote is escaped; were it not, it could still do nothing."""
    return HTMLResponse(
        page,
        headers={
            "content-disposition": f"attachment; filename*=utf-8''{quote(name)}.html",
            "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'",
        },
    )
