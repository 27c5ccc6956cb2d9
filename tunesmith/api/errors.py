"""Errors as answers: one shape for our own routes, OpenAI's for the routes under /v1."""

import logging
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException

from tunesmith.api.access import services_of
from tunesmith.errors import TunesmithError
from tunesmith.service.paths import hide_paths
from tunesmith.serving.errors import (
    OpenAIFailure,
    code_of,
    describe_malformed,
    failure,
    headers_of,
    status_of,
)

_log = logging.getLogger("tunesmith.api")


class ApiError(BaseModel):
    """What went wrong.

    Attributes:
        code: in one word, for programs.
        message: in one sentence, for people.
        hint: what to do next.
        param: the part of the request that is meant, where one is.
    """

    code: str
    message: str
    hint: str = ""
    param: str | None = None


_DESCRIPTIONS = {
    400: "The request is refused",
    401: "No valid key",
    403: "Not allowed",
    404: "Not there",
    409: "The state of things does not allow it",
    413: "The body is too large",
    422: "The request is malformed",
    429: "Too much of it",
    503: "Try again later",
    507: "No room left",
}


def _responses(model: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    return {
        status: {"model": model, "description": description}
        for status, description in _DESCRIPTIONS.items()
    }


# For the OpenAPI file: which errors every route may answer with.
ERROR_RESPONSES = _responses(ApiError)
OPENAI_ERROR_RESPONSES = _responses(OpenAIFailure)

OPENAI_API = "/v1"


def speaks_openai(request: Request) -> bool:
    """Whether the request is to a route of OpenAI's clients."""
    return request.url.path.startswith(f"{OPENAI_API}/")


def install_error_handlers(app: FastAPI) -> None:
    """Answer every error in the shape of the route's family."""
    app.add_exception_handler(TunesmithError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_malformed)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(IntegrityError, _answer_race)
    app.add_exception_handler(Exception, _answer_defect)


def _answer_ours(request: Request, error: Exception) -> JSONResponse:
    error = cast("TunesmithError", error)
    message, hint = hide_paths(services_of(request), "", [error.message, error.hint])
    return answer(request, status_of(error), code_of(error), message, hint=hint)


def _answer_malformed(request: Request, error: Exception) -> JSONResponse:
    param, message = describe_malformed(cast("RequestValidationError", error))
    status = 400 if speaks_openai(request) else 422
    return answer(request, status, "request_malformed", message, param=param or None)


def _answer_http(request: Request, error: Exception) -> JSONResponse:
    error = cast("HTTPException", error)
    headers = dict(error.headers or {})
    code = "not_found" if error.status_code == 404 else f"http_{error.status_code}"
    response = answer(request, error.status_code, code, str(error.detail))
    response.headers.update(headers)
    return response


def _answer_race(request: Request, error: Exception) -> JSONResponse:
    """Two calls made the same thing at once: each looked, then one was second."""
    message = "somebody else changed the same thing at the same time"
    return answer(request, 409, "conflict", message, hint="look again, then try again")


def _answer_defect(request: Request, error: Exception) -> JSONResponse:
    _log.exception("unexpected error", exc_info=error)
    message = "this is a defect of Tunesmith; the server's log shows more"
    return answer(request, 500, "defect", message)


def answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    *,
    hint: str = "",
    param: str | None = None,
) -> JSONResponse:
    """The answer to a failed request."""
    # What is echoed may hold halves of surrogate pairs, which no answer can hold.
    message, hint = (text.encode("utf-8", "replace").decode() for text in (message, hint))
    param = param.encode("utf-8", "replace").decode() if param is not None else None
    if speaks_openai(request):
        body = failure(status, code, message, hint=hint, param=param)
        return JSONResponse(body.model_dump(), status, headers_of(status))
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    body = ApiError(code=code, message=message, hint=hint, param=param)
    return JSONResponse(body.model_dump(), status, headers)
