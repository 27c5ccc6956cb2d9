"""Chats, completions and embeddings: what a tenant asks of the models that it deployed."""

from typing import Any

from fastapi import APIRouter, Request, Response

from tunesmith.api.access import Asker, ServicesDep
from tunesmith.api.openai.relay import relay
from tunesmith.serving.chats import ChatRequest
from tunesmith.serving.replies import ChatCompletion, Completion, Embeddings
from tunesmith.serving.requests import CompletionRequest, EmbeddingRequest

router = APIRouter(tags=["openai"])


def _answers(model: type[Any]) -> dict[int | str, dict[str, Any]]:
    """For the OpenAPI file: the whole answer, or its stream."""
    content: dict[str, dict[str, Any]] = {"text/event-stream": {}}
    return {200: {"model": model, "description": "The answer", "content": content}}


@router.post("/chat/completions", response_model=None, responses=_answers(ChatCompletion))
async def create_chat_completion(
    request: Request, body: ChatRequest, actor: Asker, services: ServicesDep
) -> Response:
    """The next message of a conversation, whole or as it is written."""
    return await relay(request, services, actor, "chat", body)


@router.post("/completions", response_model=None, responses=_answers(Completion))
async def create_completion(
    request: Request, body: CompletionRequest, actor: Asker, services: ServicesDep
) -> Response:
    """Plain text gone on with, whole or as it is written."""
    return await relay(request, services, actor, "completion", body)


@router.post("/embeddings", response_model=None, responses=_answers(Embeddings))
async def create_embeddings(
    request: Request, body: EmbeddingRequest, actor: Asker, services: ServicesDep
) -> Response:
    """Vectors of texts, by a deployed sentence encoder."""
    return await relay(request, services, actor, "embedding", body)
