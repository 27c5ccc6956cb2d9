"""Alembic's entry: migrations run on the connection that `Database.migrate` hands over."""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from tunesmith.store.tables import Table, UtcTime


def _our_types(kind: str, item: Any, context: AutogenContext) -> str | Literal[False]:
    """How a column type of ours is written in a migration; alembic knows the others."""
    return "UtcTime()" if kind == "type" and isinstance(item, UtcTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Table.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
    render_item=_our_types,
)
with context.begin_transaction():
    context.run_migrations()
