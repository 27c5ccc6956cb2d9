"""Who may look at which page, over the routes of the app itself."""

from collections.abc import Generator, Iterator

import pytest
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.testclient import TestClient

from tests.api.world import PASSWORD, World, make_world, scratch_folder
from tunesmith.api.access import PUBLIC, SESSION_COOKIE, declared_access
from tunesmith.api.app import create_app
from tunesmith.console.pages import PageRoute
from tunesmith.console.routes import ROUTERS
from tunesmith.service import logins

PUBLIC_PAGES = {
    ("GET", "/static/{digest}/{path:path}"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/setup"),
    ("POST", "/setup"),
    ("POST", "/language"),
    ("POST", "/theme"),
}


@pytest.fixture(scope="module")
def world() -> Generator[World]:
    with scratch_folder() as folder:
        made = make_world(folder)
        yield made
        made.services.database.close()


@pytest.fixture(scope="module")
def client(world: World) -> Generator[TestClient]:
    app = create_app(world.services, pages=ROUTERS)
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as opened:
        yield opened


def _pages(client: TestClient) -> Iterator[tuple[str, str, RouteContext]]:
    for route in iter_route_contexts(client.app.routes):  # pyright: ignore
        if isinstance(route.original_route, PageRoute):
            for method in route.methods or ():
                yield method, route.path or "", route


def test_exactly_these_pages_are_public(client: TestClient) -> None:
    found = {
        (method, path) for method, path, route in _pages(client) if declared_access(route) == PUBLIC
    }
    assert found == PUBLIC_PAGES


def test_without_a_login_every_other_page_leads_to_it(client: TestClient) -> None:
    asked = 0
    for method, path, _ in _pages(client):
        if (method, path) not in PUBLIC_PAGES:
            answer = client.request(method, path.replace("{", "").replace("}", ""))
            assert answer.status_code == 303, (method, path)
            assert answer.headers["location"].startswith("/login?next=/"), (method, path)
            asked += 1
    assert asked > 2


def test_a_viewer_changes_nothing(world: World, client: TestClient) -> None:
    """Every changing page needs more than to read, but for those that change oneself."""
    own = {("POST", "/logout")}
    open_to_viewers = {
        (method, path)
        for method, path, route in _pages(client)
        if method != "GET" and declared_access(route) == "read"
    }
    assert open_to_viewers <= own


def test_an_unknown_session_leads_to_the_login(client: TestClient) -> None:
    client.cookies.set(SESSION_COOKIE, "ts-nobody")
    assert client.get("/").status_code == 303
    client.cookies.clear()


def test_an_error_is_a_page_for_a_page_and_a_notice_for_a_part(
    world: World, client: TestClient
) -> None:
    page = client.post("/language", params={"language": "xx"})
    assert page.status_code == 404
    assert "<html" in page.text
    part = client.post("/language", params={"language": "xx"}, headers={"HX-Request": "true"})
    assert part.status_code == 404
    assert part.headers["hx-retarget"] == "#notices"
    assert "<html" not in part.text


def test_a_session_opens_the_first_page(world: World, client: TestClient) -> None:
    secret, _ = logins.log_in(
        world.services, email="ann@example.org", password=PASSWORD, tenant=None
    )
    client.cookies.set(SESSION_COOKIE, secret)
    answer = client.get("/")
    assert answer.status_code == 200
    assert "Nothing is at work" in answer.text
    client.cookies.clear()
