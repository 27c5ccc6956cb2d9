"""What every use case of the service stands on, built once and passed in."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tunesmith.errors import RecipeInvalid
from tunesmith.service.config import ServiceConfig
from tunesmith.store.database import Database
from tunesmith.store.home import Home
from tunesmith.store.names import DatabaseNames

Clock = Callable[[], datetime]


def wall_clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Services:
    """Settings, database, files and clock of an installation."""

    config: ServiceConfig
    database: Database
    installation: Home
    clock: Clock = wall_clock

    def home(self, tenant_id: str) -> Home:
        """A tenant's own files and names. Base models are the installation's."""
        return Home(
            self.installation.folder / "tenants" / tenant_id,
            registry=DatabaseNames(self.database, tenant_id, self.clock),
            shared_models=self.installation.models,
        )


def open_services(config: ServiceConfig, installation: Home) -> Services:
    """Open the database, with its tables in this version's form.

    Raises:
        RecipeInvalid: the database's address is not one, or its driver is missing.
        DatabaseUnavailable: it cannot be reached.
    """
    installation.folder.mkdir(parents=True, exist_ok=True)
    database = Database(database_url(config, installation))
    database.migrate()
    return Services(config, database, installation)


def database_url(config: ServiceConfig, installation: Home) -> str:
    """The address of the installation's database, with its password.

    Raises:
        RecipeInvalid: the setting is there but empty.
    """
    if config.database is None:
        return f"sqlite:///{installation.folder / 'tunesmith.db'}"
    url = config.database.get_secret_value()
    if not url:
        raise RecipeInvalid("the database's address is empty", hint="leave the setting out")
    return url
