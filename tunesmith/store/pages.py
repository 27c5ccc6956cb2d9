"""Pages of rows by the time that they were made; ids settle the order of what was made at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

from tunesmith.store.tables import Table

Row = TypeVar("Row", bound=Table)
Order: TypeAlias = tuple[InstrumentedAttribute[datetime], InstrumentedAttribute[str]]


def read_page(
    db: Session,
    wanted: Select[Row],
    *,
    by: Order,
    after: Row | None,
    limit: int,
    newest_first: bool = True,
) -> tuple[Sequence[Row], bool]:
    """At most `limit` of the rows behind `after`, and whether there are more.

    Args:
        db: an open session.
        wanted: all rows of the list, in no order.
        by: the columns of time and id.
        after: the last row of the page before; None begins with the first page.
        limit: rows of a page.
        newest_first: or the oldest.
    """
    time, id = by
    if after is not None:
        last_time, last_id = getattr(after, time.key), getattr(after, id.key)
        is_behind = (
            (time < last_time) | ((time == last_time) & (id < last_id))
            if newest_first
            else (time > last_time) | ((time == last_time) & (id > last_id))
        )
        wanted = wanted.where(is_behind)
    order = (time.desc(), id.desc()) if newest_first else by
    rows = db.scalars(wanted.order_by(*order).limit(limit + 1)).all()
    return rows[:limit], len(rows) > limit
