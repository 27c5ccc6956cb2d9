"""Figures for Prometheus."""

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from tunesmith.api.access import AllowedByToken
from tunesmith.api.metrics import Metrics
from tunesmith.service.access import Permission

router = APIRouter(tags=["metrics"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "figures"}},
    dependencies=[Depends(AllowedByToken(Permission.OPERATE))],
)
def read_metrics(request: Request) -> Response:
    """Figures of the installation: for operators, and with the setting `metrics_token`."""
    metrics: Metrics = request.app.state.metrics
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
