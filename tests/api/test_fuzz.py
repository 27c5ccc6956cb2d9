"""A short fuzz in every run; `make fuzz` is the long one."""

import pytest
from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from tests.api.fuzz import fuzz
from tests.api.world import make_world, scratch_folder
from tunesmith.api import app as app_module
from tunesmith.api.access import anybody
from tunesmith.api.routes.health import Health


@pytest.mark.timeout(600)
def test_a_few_hundred_fuzzed_requests_find_nothing() -> None:
    with scratch_folder() as folder:
        world = make_world(folder)
        figures = fuzz(world, num_requests=180, number=7)
        world.services.database.close()
    assert figures.problems == {}
    assert figures.num_requests >= 180


@pytest.mark.timeout(600)
def test_a_route_that_breaks_its_promises_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    router = APIRouter(dependencies=[Depends(anybody)], prefix="/lies")
    router.add_api_route("/crash", _crash)
    router.add_api_route("/shape", _wrong_shape, response_model=Health)
    router.add_api_route("/leak", _leak)
    monkeypatch.setattr(app_module, "_ROUTERS", {"everything": (router,)})
    with scratch_folder() as folder:
        world = make_world(folder)
        found = fuzz(world, num_requests=30, number=1, only="/lies/").problems
        world.services.database.close()
    assert any("/lies/crash 500" in problem for problem in found)
    assert any("/lies/shape 200" in problem for problem in found)
    assert any("/lies/leak says" in problem for problem in found)


def _crash() -> Health:
    """Fail."""
    raise ValueError("a defect")


def _wrong_shape() -> JSONResponse:
    """Answer what was not promised."""
    return JSONResponse({"status": [1]})


def _leak() -> Health:
    """Say what runs the server."""
    return Health("sqlalchemy 2.1")
