"""The database: SQLite by default, PostgreSQL by URL, the same code on both."""

import importlib.util
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from tunesmith.errors import DatabaseUnavailable, RecipeInvalid, UserError

MIGRATIONS = Path(__file__).parent / "migrations"
REVISION = "0001"  # of the newest file there; a test compares them
_BUSY_SECONDS = 30
# As many as the server has threads that handle requests (40), and some for the rest.
_NUM_KEPT, _NUM_MORE = 10, 40


class Database:
    """A pool of connections. `transaction` is the only way to read or write."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet.

        Raises:
            RecipeInvalid: not an address of SQLite or PostgreSQL, or its driver is not installed.
        """
        self.is_sqlite = url.startswith("sqlite")
        self._engine = _sqlite(url) if self.is_sqlite else _postgresql(url)

    def migrate(self) -> None:
        """Bring the tables to this version's form; what is there is kept.

        Raises:
            DatabaseUnavailable: it cannot be reached.
            RecipeInvalid: a later version of Tunesmith has brought it to its own form.
        """
        with self._translated(), self._engine.begin() as connection:
            if not self.is_sqlite:  # two servers that start together take turns
                connection.execute(text("SELECT pg_advisory_xact_lock(7246001)"))
            if _revision(connection) != REVISION:
                _upgrade(connection)

    @contextmanager
    def transaction(self) -> Generator[Session]:
        """A session whose changes are durable when the block ends, and gone if it raises.

        On SQLite writers queue up at the beginning, so a transaction never fails halfway for want
        of a lock.

        Raises:
            DatabaseUnavailable: the database cannot be reached or stays locked.
            UserError: a value is none that it can keep.
        """
        with (
            self._translated(),
            Session(self._engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Generator[Session]:
        """A session to look with: it takes no lock, and what it changes is not kept.

        Raises:
            DatabaseUnavailable: the database cannot be reached.
            UserError: a value to look for is none that it can keep.
        """
        with self._translated(), Session(self._engine, expire_on_commit=False) as session:
            session.connection(execution_options={"tunesmith_reads": True})
            yield session

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except (OperationalError, DBAPIError) as error:
            if isinstance(error, OperationalError) or error.connection_invalidated:
                reason = str(error.orig).strip().splitlines()[0]
                raise DatabaseUnavailable(
                    f"the database does not answer: {reason}", hint="it is tried again"
                ) from error
            if isinstance(error, DataError):
                raise _unstorable() from error
            raise
        except PoolTimeout as error:
            raise DatabaseUnavailable(
                "all connections to the database are busy", hint="try again"
            ) from error
        except OverflowError as error:  # an integer of more than 64 bits, from SQLite's driver
            raise _unstorable() from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # takes longer to import than the rest of a start to do
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:  # a revision that is in none of the files here
        raise RecipeInvalid(
            "the database belongs to a later version of Tunesmith",
            hint="install that version, or restore the backup made before the upgrade",
        ) from error


def _unstorable() -> UserError:
    return UserError(
        "a value is too large, or has characters that no database keeps, such as NUL",
        hint="use smaller numbers and plain text",
    )


def _sqlite(url: str) -> Engine:
    engine = create_engine(
        url,
        hide_parameters=True,  # errors are logged, and parameters hold secrets
        connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False},
        pool_size=_NUM_KEPT,
        max_overflow=_NUM_MORE,
    )

    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late for us
        for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {setting}")

    def begun(connection: Connection) -> None:
        reads = connection.get_execution_options().get("tunesmith_reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begun)
    return engine


def _postgresql(url: str) -> Engine:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise RecipeInvalid("the database's address is not one") from None
    if parsed.get_backend_name() != "postgresql":
        raise RecipeInvalid(
            f"databases of kind {parsed.get_backend_name()} are not supported",
            hint="give sqlite:///FILE or postgresql://USER@HOST/NAME",
        )
    if importlib.util.find_spec("psycopg") is None:
        raise RecipeInvalid(
            "PostgreSQL's driver is not installed", hint="pip install 'tunesmith[postgres]'"
        )
    return create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        pool_pre_ping=True,
        pool_size=_NUM_KEPT,
        max_overflow=_NUM_MORE,
    )
