from pathlib import Path

import pytest

from tests.service.installations import set_up
from tunesmith.service.access import Actor
from tunesmith.service.services import Services


@pytest.fixture
def actor(services: Services, tiny_model: Path) -> Actor:
    """The owner of the installation's only tenant, which can train."""
    return set_up(services, tiny_model)
