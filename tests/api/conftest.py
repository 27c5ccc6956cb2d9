"""What tests of the service's API share."""

from collections.abc import Generator

import pytest
from openai import OpenAI

from tests.api.openai_client import Clients
from tests.api.serving import Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A service with server and worker, for all tests of a file."""
    with serving(tmp_path_factory.mktemp("served"), "server", "worker") as running:
        yield running


@pytest.fixture(scope="module")
def clients(served: Served) -> Generator[Clients]:
    made = Clients(served)
    yield made
    made.close()
    assert made.answers
    # X24: nothing that a tenant is told says where the server keeps its things.
    assert [answer for answer in made.answers if str(served.home) in answer] == []


@pytest.fixture(scope="module")
def owner(served: Served, clients: Clients) -> OpenAI:
    return clients.client(served.key)
