"""The tables that migrations make are those of `tables.py`, and rows survive them."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from tests.databases import PostgresServer
from tunesmith.errors import RecipeInvalid
from tunesmith.store.database import MIGRATIONS, REVISION, Database
from tunesmith.store.tables import Tenant

FIRST = "0001"


@pytest.fixture(params=["sqlite", "postgresql"])
def blank_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'blank.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create(tmp_path.name)


@pytest.fixture
def config(blank_url: str) -> Iterator[Config]:
    """What alembic's own commands need to work on that database."""
    engine = create_engine(blank_url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        yield config
    engine.dispose()


def test_migrations_and_tables_agree(config: Config) -> None:
    command.upgrade(config, "head")
    command.check(config)  # raises where they differ


def test_rows_of_the_first_version_are_kept(blank_url: str, config: Config) -> None:
    command.upgrade(config, FIRST)
    connection = config.attributes["connection"]
    connection.execute(
        text(
            "INSERT INTO tenants (id, name, created_at, last_turn, redacts_log, log_days)"
            " VALUES ('t', 'acme', '2026-01-01 00:00:00', 3, false, 30)"
        )
    )
    connection.commit()
    database = Database(blank_url)
    database.migrate()
    with database.reading() as db:
        tenant = db.get_one(Tenant, "t")
    database.close()
    assert (tenant.name, tenant.last_turn) == ("acme", 3)
    assert tenant.created_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_start_looks_for_the_newest_migration(config: Config) -> None:
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_database_of_a_later_version_is_refused(blank_url: str) -> None:
    database = Database(blank_url)
    database.migrate()
    with database.transaction() as db:
        db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(RecipeInvalid, match="later version"):
        database.migrate()
    database.close()


def test_migrating_twice_changes_nothing(blank_url: str) -> None:
    for _ in range(2):
        database = Database(blank_url)
        database.migrate()
        database.close()
