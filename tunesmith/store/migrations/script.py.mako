"""${message}."""

import sqlalchemy as sa
from alembic import op

from tunesmith.store.tables import UtcTime

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this form."""
    ${upgrades if upgrades else "pass"}
