import pytest

from tests.store.rows import Line
from tunesmith.store.database import Database


@pytest.fixture
def line(database: Database) -> Line:
    """An empty queue, on either database."""
    return Line(database)
