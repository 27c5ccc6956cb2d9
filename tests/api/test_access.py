"""Who may call what: the whole matrix, the public routes, and routes that forget to say."""

from collections.abc import Generator
from contextlib import contextmanager

import pytest
from fastapi import APIRouter
from fastapi.routing import iter_route_contexts

from tests.api.matrix import cells
from tests.api.world import World, make_world, scratch_folder
from tunesmith.api import app as app_module

PUBLIC = {
    ("GET", "/health"),
    ("GET", "/version"),
    ("POST", "/api/v1/setup"),
    ("POST", "/api/v1/sessions"),
    ("GET", "/api/v1/openapi.json"),
    ("HEAD", "/api/v1/openapi.json"),
}


@contextmanager
def _world() -> Generator[World]:
    with scratch_folder() as folder:
        world = make_world(folder)
        with world.client:
            yield world
        world.services.database.close()


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    with _world() as made:
        yield made


def test_every_cell_of_the_tenant_matrix_is_as_declared() -> None:
    with _world() as world:
        found = list(cells(world))
    assert len(found) > 500
    wrong = [f"{c.operation.method} {c.operation.path} {c.caller} {c.problem}" for c in found]
    assert [line for line, cell in zip(wrong, found, strict=True) if cell.problem] == []


def test_without_a_login_exactly_the_public_routes_answer(world: World) -> None:
    """Over the routes of the app itself, not over its description of itself."""
    answered = set()
    for route in iter_route_contexts(world.client.app.routes):  # pyright: ignore
        for method in route.methods or ():
            path = (route.path or "").replace("{", "").replace("}", "")
            if world.call("none", method, path).status_code != 401 or (method, path) in PUBLIC:
                answered.add((method, path))
    assert answered == PUBLIC


def test_a_route_that_does_not_say_who_may_call_it_fails_the_build(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    router = APIRouter()
    router.add_api_route("/open", lambda: "anybody")
    nested = APIRouter()
    nested.include_router(router, prefix="/nested")
    routers = {"everything": (nested,)}
    monkeypatch.setattr(app_module, "_ROUTERS", routers)
    with pytest.raises(AssertionError, match="/api/v1/nested/open does not declare"):
        app_module.create_app(world.services)


def test_the_operators_port_serves_the_operator_alone(world: World) -> None:
    paths = {}
    for part in ("tenants", "operator"):
        app = app_module.create_app(world.services, part=part)
        paths[part] = set(app.openapi()["paths"])
    assert not any("/admin/" in path for path in paths["tenants"])
    mine = {path.split("/")[3] for path in paths["operator"] if path.startswith("/api/")}
    assert mine == {"admin", "setup", "sessions", "me", "keys"}


def test_the_description_is_complete(world: World) -> None:
    schema = world.client.get("/api/v1/openapi.json").json()
    missing = [
        f"{name}.{field}"
        for name, definition in schema["components"]["schemas"].items()
        for field, facts in definition.get("properties", {}).items()
        if "description" not in facts and "const" not in facts
    ]
    ids = []
    for path, verbs in schema["paths"].items():
        for method, operation in verbs.items():
            ids.append(operation["operationId"])
            if not operation.get("description"):
                missing.append(f"{method} {path}")
            for parameter in operation.get("parameters", []):
                if "description" not in parameter:
                    missing.append(f"{method} {path} {parameter['name']}")
            for content in operation.get("requestBody", {}).get("content", {}).values():
                assert "example" in content, path
    assert missing == []
    assert len(ids) == len(set(ids))
