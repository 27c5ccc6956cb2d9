"""Channels over HTTP: owners make them, members see them, nobody gets their addresses back."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from tests.service.installation import found_owner
from tests.service.receivers import web_receiver
from tunesmith.api.app import create_app
from tunesmith.service.access import Permission
from tunesmith.service.config import ServiceConfig
from tunesmith.service.keys import add_key
from tunesmith.service.services import Services

TOKEN = "token-that-opens-the-room"


@pytest.fixture
def client(services: Services) -> Iterator[TestClient]:
    config = ServiceConfig(allow_private_addresses=True)
    services = replace(services, config=config)
    owner, founded = found_owner(services)
    with TestClient(create_app(services), base_url="http://127.0.0.1") as client:
        client.headers["authorization"] = f"Bearer {founded.key}"
        reader = add_key(services, owner, name="r", permissions=[Permission.READ], days=None)
        client.headers["x-reader"] = reader.secret  # for tests to take
        yield client


def test_an_address_goes_in_and_never_comes_out(client: TestClient) -> None:
    with web_receiver() as hook:
        url = f"json://127.0.0.1:{hook.port}/{TOKEN}"
        made = client.post("/api/v1/channels", json={"name": "ops", "url": url})
        assert made.status_code == 201
        channel = made.json()
        assert channel["kind"] == "webhook"
        tried = client.post(f"/api/v1/channels/{channel['id']}/test")
        assert tried.json() == {"delivered": True, "error": ""}
        assert hook.paths == [f"/{TOKEN}"]
        hook.status = 404
        tried = client.post(f"/api/v1/channels/{channel['id']}/test")
        assert tried.json() == {"delivered": False, "error": "the server answered 404"}
    again = client.post("/api/v1/channels", json={"name": "ops", "url": url})
    assert again.status_code == 409
    listed = client.get("/api/v1/channels")
    assert listed.json()["data"] == [channel]
    assert not any(TOKEN in answer.text for answer in (made, tried, again, listed))
    assert client.delete(f"/api/v1/channels/{channel['id']}").status_code == 204
    assert client.get(f"/api/v1/channels/{channel['id']}/deliveries").status_code == 404


def test_a_refused_address_is_not_repeated(client: TestClient) -> None:
    for url in (f"file:///{TOKEN}", f"jsons://host:99999/{TOKEN}", f"mailto://u:{TOKEN}@"):
        refused = client.post("/api/v1/channels", json={"name": "ops", "url": url})
        assert refused.status_code == 400
        assert TOKEN not in refused.text
    malformed = client.post("/api/v1/channels", json={"name": "ops", "url": TOKEN * 100})
    assert malformed.status_code == 422
    assert TOKEN not in malformed.text


def test_who_only_reads_sees_channels_and_changes_none(client: TestClient) -> None:
    url = {"name": "ops", "url": "json://example.org/"}
    channel = client.post("/api/v1/channels", json=url).json()
    reader = {"authorization": f"Bearer {client.headers['x-reader']}"}
    assert client.get("/api/v1/channels", headers=reader).json()["data"] == [channel]
    one = f"/api/v1/channels/{channel['id']}"
    for call in (
        client.post("/api/v1/channels", json=url, headers=reader),
        client.post(f"{one}/test", headers=reader),
        client.delete(one, headers=reader),
    ):
        assert call.status_code == 403
