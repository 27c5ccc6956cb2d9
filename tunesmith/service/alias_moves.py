"""Who let an alias point where, and when: written in the transaction that moves it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.service.access import Actor
from tunesmith.service.services import Services
from tunesmith.store.tables import Alias, AliasMove, Model


@dataclass(frozen=True)
class AliasMoveView:
    """A turn in the life of an alias; NAME@VERSION of models, or the id of what is deleted.

    `from_model` is null where it was new, `to_model` where it was removed.
    """

    name: str
    from_model: str | None
    to_model: str | None
    moved_by: str
    moved_at: datetime


def record_move(
    db: Session, actor: Actor, name: str, *, from_id: str | None, to_id: str | None, now: datetime
) -> None:
    """Write down that an alias points elsewhere from now on."""
    db.add(
        AliasMove(
            tenant_id=actor.tenant_id,
            name=name,
            from_model=from_id,
            to_model=to_id,
            moved_by=actor.email,
            moved_at=now,
        )
    )


def list_moves(
    services: Services, tenant_id: str, name: str, *, after: int, limit: int
) -> tuple[list[AliasMoveView], bool]:
    """A page of an alias's history, newest first, and whether it goes on.

    `after` is how many were seen. The history of an alias outlives it.

    Raises:
        NotFound: the tenant never had such an alias.
    """
    moves = select(AliasMove).where(AliasMove.tenant_id == tenant_id, AliasMove.name == name)
    newest = moves.order_by(AliasMove.seq.desc()).offset(after).limit(limit + 1)
    with services.database.reading() as db:
        rows = db.scalars(newest).all()
        if not rows and after == 0 and db.get(Alias, (tenant_id, name)) is None:
            raise NotFound(f"there is no alias {name!r}")
        ids = {each for row in rows for each in (row.from_model, row.to_model)}
        models = db.scalars(select(Model).where(Model.id.in_(ids - {None}))).all()
    names = {model.id: f"{model.name}@{model.version}" for model in models}

    def shown(model_id: str | None) -> str | None:
        return None if model_id is None else names.get(model_id, model_id)

    views = [
        AliasMoveView(
            row.name, shown(row.from_model), shown(row.to_model), row.moved_by, row.moved_at
        )
        for row in rows[:limit]
    ]
    return views, len(rows) > limit
