"""The console's pages, one module a section."""

from fastapi import APIRouter

from tunesmith.console.routes import (
    assets,
    audit,
    chat,
    comparisons,
    datasets,
    deployments,
    evaluations,
    home,
    importing,
    library,
    models,
    operator,
    requests,
    run,
    runs,
    said,
    session,
    settings,
    train,
)

ROUTERS: tuple[APIRouter, ...] = (
    assets.router,
    session.router,
    said.router,
    home.router,
    importing.router,
    datasets.router,
    runs.router,
    run.router,
    train.router,
    models.router,
    settings.router,
    operator.router,
    audit.router,
    requests.router,
    deployments.router,
    library.router,
    chat.router,
    comparisons.router,
    evaluations.router,
)
