"""What errors are over HTTP. Torch-free: engine processes and the service answer alike."""

import re
from collections.abc import Mapping

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

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

# The first that fits counts.
STATUS_OF: Mapping[type[TunesmithError], int] = {
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


class OpenAIError(BaseModel):
    """What went wrong, as OpenAI's clients read it."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIFailure(BaseModel):
    """The body of a failed request under /v1."""

    error: OpenAIError


def failure(
    status: int, code: str, message: str, *, hint: str = "", param: str | None = None
) -> OpenAIFailure:
    """The body that says so."""
    text = f"{message} ({hint})" if hint else message
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return OpenAIFailure(error=OpenAIError(message=text, type=kind, param=param, code=code))


def status_of(error: TunesmithError) -> int:
    """The status of an answer that tells an error."""
    return next((s for kind, s in STATUS_OF.items() if isinstance(error, kind)), 500)


def failure_of(error: TunesmithError) -> tuple[int, OpenAIFailure]:
    """Status and body for what an engine refuses or fails at."""
    status = status_of(error)
    return status, failure(status, code_of(error), error.message, hint=error.hint)


def code_of(error: TunesmithError) -> str:
    """The kind of an error in one word, for programs."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def headers_of(status: int) -> dict[str, str]:
    """Left to itself, the client tries again what will be refused again."""
    headers = {"x-should-retry": str(status == 503).lower()}
    return headers | ({"www-authenticate": "Bearer"} if status == 401 else {})


def describe_malformed(error: RequestValidationError) -> tuple[str, str]:
    """The part of the request that is malformed, empty for all of it, and what is wrong."""
    problems = error.errors()
    # A misspelt key comes first: it is often the cause of the "field required" beside it.
    problem = min(problems, key=lambda each: each["type"] != "extra_forbidden")
    param = ".".join(str(part)[:_MOST_SHOWN] for part in problem["loc"][1:])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return param, f"{param or 'the body'}: {problem['msg']}{more}"


_MOST_SHOWN = 100  # characters of a key that is not one of ours
