"""What tests of the console share: a real service, and real browsers of its visitors."""

import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.api.deployed import Deployer
from tests.api.serving import Served, serving
from tests.console.answering import answering
from tests.console.trainings import actor_of
from tests.console.visitors import Visit, visiting
from tunesmith.service.access import Actor

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="session")
def browser() -> Generator[Browser]:
    """Debian's Chromium; `tests/browser.sh` installs it."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here and none can be installed")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    """A service with server and worker, for all tests of the console."""
    with serving(tmp_path_factory.mktemp("console"), "server", "worker") as running:
        yield running


@pytest.fixture(scope="session")
def actor(served: Served) -> Actor:
    """The owner of the tenant, for what tests do beside their pages."""
    return actor_of(served)


@pytest.fixture(scope="session")
def deployer(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Generator[Deployer]:
    """Models that answer, in that service."""
    with answering(served, tmp_path_factory.mktemp("adapters")) as made:
        yield made


@pytest.fixture
def owner(browser: Browser, served: Served) -> Generator[Visit]:
    """The owner of the tenant, logged in, in English."""
    with visiting(browser, served) as visit:
        visit.log_in()
        yield visit
