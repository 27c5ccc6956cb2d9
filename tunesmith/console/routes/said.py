"""What scripts show of what the API says, in the visitor's language."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import PlainTextResponse

from tunesmith.api.access import Reader
from tunesmith.console.language import language_of
from tunesmith.console.messages import said
from tunesmith.console.pages import page_router

router = page_router()


@router.get("/said")
def translated(
    request: Request, actor: Reader, text: Annotated[str, Query(max_length=2000)]
) -> PlainTextResponse:
    """An English sentence in the visitor's language; as it is, where nothing is known of it."""
    return PlainTextResponse(said(text, language_of(request)))
