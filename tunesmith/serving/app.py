"""An engine behind OpenAI's HTTP API: `/v1/chat/completions` and what belongs to it.

One app serves one base model under its own name and each adapter under its. Adapters come and go
on the paths that vLLM has, so a vLLM server can stand in its place.
"""

import base64
import hmac
import secrets
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from tunesmith.errors import LoginRequired, RequestRejected, TunesmithError
from tunesmith.serving.answering import (
    EVENT_STREAM,
    ChatShape,
    CompletionShape,
    Count,
    Shape,
    streamed_answer,
    whole_answer,
)
from tunesmith.serving.chats import ChatRequest
from tunesmith.serving.errors import describe_malformed, failure, failure_of, headers_of
from tunesmith.serving.models import Embedder, Generator, ServedBase
from tunesmith.serving.protocol import GenerationRequest
from tunesmith.serving.replies import (
    Embedding,
    Embeddings,
    EmbeddingUsage,
    ServedModels,
    TruncatedInput,
)
from tunesmith.serving.requests import (
    OWNER_HEADER,
    CompletionRequest,
    EmbeddingRequest,
    LoadAdapter,
    UnloadAdapter,
)
from tunesmith.serving.streams import ClosingStream, submit, unless_left

Owner = Annotated[str, Header(alias=OWNER_HEADER, max_length=200)]


def create_app(base: ServedBase, *, key: str | None) -> FastAPI:
    """The app that answers for `base`; with `key`, only to who sends it as a bearer token."""
    app = FastAPI(title="Tunesmith engine", openapi_url=None)
    app.state.base = base
    app.state.key = key
    app.add_api_route("/health", health, methods=["GET"])
    allowed = [Depends(_check_key)]
    for path, route in _ROUTES["GET"].items():
        app.add_api_route(path, route, methods=["GET"], dependencies=allowed)
    for path, route in _ROUTES["POST"].items():
        app.add_api_route(path, route, methods=["POST"], dependencies=allowed, response_model=None)
    app.add_exception_handler(TunesmithError, _answer_ours)
    app.add_exception_handler(RequestValidationError, _answer_malformed)
    app.add_exception_handler(HTTPException, _answer_http)
    return app


def _check_key(request: Request) -> None:
    key = request.app.state.key
    given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
    if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
        raise LoginRequired("no valid key comes with the request", hint="send it as a bearer token")


# --- answers ---------------------------------------------------------------------------------


async def chat_completions(request: Request, body: ChatRequest, owner: Owner = "") -> Response:
    """The next message of a conversation."""
    generator = _generator(request)
    model = generator.find(body.model)
    sampling = body.sampling()
    prompt = await generator.chat_prompt(model, body)
    shown = generator.call_marks if body.tools else frozenset[int]()
    asked = [GenerationRequest(tuple(prompt), sampling, model.adapter, owner, shown)]
    shape = ChatShape(
        model.name,
        generator.tokenizer,
        bool(body.logprobs),
        _id("chatcmpl"),
        new_reader=partial(body.call_reader, generator.call_format),
    )
    return await _answer(request, body, asked, shape)


async def completions(request: Request, body: CompletionRequest, owner: Owner = "") -> Response:
    """Plain text, gone on with."""
    generator = _generator(request)
    model = generator.find(body.model)
    sampling = body.sampling()
    asked = [
        GenerationRequest(tuple(generator.tokens(prompt)), sampling, model.adapter, owner)
        for prompt in body.prompts()
    ]
    scores = body.logprobs is not None
    shape = CompletionShape(model.name, generator.tokenizer, scores, _id("cmpl"))
    return await _answer(request, body, asked, shape)


async def _answer(
    request: Request,
    body: ChatRequest | CompletionRequest,
    asked: Sequence[GenerationRequest],
    shape: Shape,
) -> Response:
    answers = await submit(_generator(request).engine, asked)
    count = Count(
        choices=sum(each.sampling.num_choices for each in asked),
        prompt_tokens=sum(len(each.prompt) for each in asked),
    )
    if body.streams:
        written = streamed_answer(answers, shape, count, counts_tokens=body.counts_tokens)
        return ClosingStream(written, media_type=EVENT_STREAM)
    whole = await unless_left(request, whole_answer(answers, shape, count))
    return Response(whole.model_dump_json() if whole else b"", media_type="application/json")


def embeddings(request: Request, body: EmbeddingRequest) -> Embeddings:
    """Vectors of texts.

    Raises:
        RequestRejected: the model writes texts, or has vectors of another size.
    """
    base = _base(request)
    model = base.find(body.model)
    if not isinstance(base, Embedder):
        raise RequestRejected(
            f"{model.name} writes texts, it has no embeddings", hint="serve a sentence encoder"
        )
    if body.dimensions not in (None, base.encoder.num_values):
        raise RequestRejected(f"dimensions: the vectors have {base.encoder.num_values} values")
    vectors = base.encoder.encode(body.inputs())
    put = _as_base64 if body.encoding_format == "base64" else _as_numbers
    return Embeddings(
        data=[Embedding(index=i, embedding=put(each)) for i, each in enumerate(vectors.values)],
        model=model.name,
        usage=EmbeddingUsage(prompt_tokens=vectors.num_tokens, total_tokens=vectors.num_tokens),
        truncated=[TruncatedInput(**asdict(each)) for each in vectors.cut],
    )


def _as_base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _as_numbers(vector: Sequence[float]) -> list[float]:
    return list(vector)


def _id(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(12)}"


# --- models ----------------------------------------------------------------------------------


def list_models(request: Request) -> ServedModels:
    """Every name that answers."""
    return ServedModels(data=list(_base(request).names()))


def load_adapter(request: Request, body: LoadAdapter) -> Response:
    """Let an adapter answer to a name; answers under way end with what had the name."""
    _generator(request).load(body.lora_name, Path(body.lora_path))
    return PlainTextResponse(f"{body.lora_name} is loaded")


def unload_adapter(request: Request, body: UnloadAdapter) -> Response:
    """Take a name away; its answers under way are finished."""
    _generator(request).unload(body.lora_name)
    return PlainTextResponse(f"{body.lora_name} is unloaded")


def health(request: Request) -> Response:
    """Whether the engine answers."""
    _base(request).check()
    return JSONResponse({"status": "ok"})


def metrics(request: Request) -> Response:
    """The engine's counters, as Prometheus reads them."""
    lines = [f"tunesmith_engine_{name} {value}\n" for name, value in _base(request).figures()]
    return PlainTextResponse("".join(lines))


_ROUTES: dict[str, dict[str, Callable[..., Any]]] = {
    "GET": {"/v1/models": list_models, "/metrics": metrics},
    "POST": {
        "/v1/chat/completions": chat_completions,
        "/v1/completions": completions,
        "/v1/embeddings": embeddings,
        "/v1/load_lora_adapter": load_adapter,
        "/v1/unload_lora_adapter": unload_adapter,
    },
}


def _base(request: Request) -> ServedBase:
    return request.app.state.base


def _generator(request: Request) -> Generator:
    base = _base(request)
    if not isinstance(base, Generator):
        raise RequestRejected(
            f"{base.name} is a sentence encoder, it writes no texts", hint="ask for embeddings"
        )
    return base


# --- errors ----------------------------------------------------------------------------------


def _answer_ours(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, TunesmithError)
    status, body = failure_of(error)
    return JSONResponse(body.model_dump(), status, headers_of(status))


def _answer_malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    param, message = describe_malformed(error)
    body = failure(400, "request_malformed", message, param=param or None)
    return JSONResponse(body.model_dump(), 400, headers_of(400))


def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    body = failure(error.status_code, f"http_{error.status_code}", str(error.detail))
    return JSONResponse(body.model_dump(), error.status_code, headers_of(error.status_code))
