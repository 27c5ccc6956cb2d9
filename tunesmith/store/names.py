"""A tenant's names, kept in the database."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.store.database import Database
from tunesmith.store.home import NameEntry, NameKind
from tunesmith.store.tables import NameRow


@dataclass(frozen=True)
class DatabaseNames:
    """`store.home.Names` of one tenant."""

    database: Database
    tenant_id: str
    now: Callable[[], datetime]

    def point(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` point to `id` from now on. Durable on return."""
        with self.database.transaction() as db:
            point_name(db, kind, name, id, tenant_id=self.tenant_id, now=self.now())

    def forget(self, kind: NameKind, name: str, id: str) -> None:
        """Let `name` no longer point, nor have pointed, to `id`. Durable on return."""
        with self.database.transaction() as db:
            db.execute(
                delete(NameRow).where(
                    NameRow.tenant_id == self.tenant_id,
                    NameRow.kind == kind,
                    NameRow.name == name,
                    NameRow.target == id,
                )
            )

    def entries(self, kind: NameKind) -> list[NameEntry]:
        """Everything names of `kind` ever pointed to and did not forget, oldest first."""
        mine = select(NameRow).where(NameRow.tenant_id == self.tenant_id, NameRow.kind == kind)
        with self.database.reading() as db:
            rows = db.scalars(mine.order_by(NameRow.seq)).all()
        return [
            NameEntry(kind, row.name, row.target, row.since.isoformat(timespec="seconds"))
            for row in rows
        ]


def point_name(
    db: Session, kind: NameKind, name: str, id: str, *, tenant_id: str, now: datetime
) -> None:
    """Let `name` point to `id`, within a transaction of something larger."""
    last = (
        select(NameRow)
        .where(NameRow.tenant_id == tenant_id, NameRow.kind == kind, NameRow.name == name)
        .order_by(NameRow.seq.desc())
        .limit(1)
    )
    newest = db.scalars(last).first()
    if newest is None or newest.target != id:
        db.add(NameRow(tenant_id=tenant_id, kind=kind, name=name, target=id, since=now))
