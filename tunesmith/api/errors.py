"""Errors as answers: one shape for our own routes, OpenAI's for the routes under /v1."""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException

from tunesmith.api.access import services_of
from tunesmith.errors import (
    AccessDenied,
    Conflict,
    InUse,
    LoginRefused,
    LoginRequired,
    NotEnoughResources,
    NotFound,
    QuotaExceeded,
    ResumeRefused,
    TunesmithError,
    Unavailable,
    UserError,
)
from tunesmith.service.paths import hide_paths

_log = logging.getLogger("tunesmith.api")

# The first that fits counts.
_STATUS_OF: Mapping[type[TunesmithError], int] = {
    NotFound: 404,
    Conflict: 409,
    InUse: 409,
    ResumeRefused: 409,
    LoginRequired: 401,
    LoginRefused: 401,
    AccessDenied: 403,
    QuotaExceeded: 429,
    NotEnoughResources: 507,
    UserError: 400,
    Unavailable: 503,
}


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


class OpenAIError(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIFailure(BaseModel):
    """The body of a failed request under /v1."""

    error: OpenAIError


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
    status = next((s for kind, s in _STATUS_OF.items() if isinstance(error, kind)), 500)
    message, hint = hide_paths(services_of(request), "", [error.message, error.hint])
    return answer(request, status, _code(error), message, hint=hint)


def _code(error: TunesmithError) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def _answer_malformed(request: Request, error: Exception) -> JSONResponse:
    problems = cast("RequestValidationError", error).errors()
    # A misspelt key comes first: it is often the cause of the "field required" beside it.
    problem = min(problems, key=lambda each: each["type"] != "extra_forbidden")
    param = _param(problem["loc"])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    message = f"{param or 'the body'}: {problem['msg']}{more}"
    status = 400 if speaks_openai(request) else 422
    return answer(request, status, "request_malformed", message, param=param or None)


_MOST_SHOWN = 100  # characters of a key that is not one of ours


def _param(location: Sequence[int | str]) -> str:
    return ".".join(str(part)[:_MOST_SHOWN] for part in location[1:])


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
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    if speaks_openai(request):
        text = f"{message} ({hint})" if hint else message
        kind = "server_error" if status >= 500 else "invalid_request_error"
        error = OpenAIError(message=text, type=kind, param=param, code=code)
        # Left to itself, the client tries again what will be refused again.
        headers["x-should-retry"] = str(status == 503).lower()
        return JSONResponse(OpenAIFailure(error=error).model_dump(), status, headers)
    body = ApiError(code=code, message=message, hint=hint, param=param)
    return JSONResponse(body.model_dump(), status, headers)
