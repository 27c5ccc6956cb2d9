"""Who did what: one line a changing call, each bound to the one before by its hash."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tunesmith.schema import canonical_json
from tunesmith.service.services import Services
from tunesmith.store.tables import Audit

_AUDIT_LOCK = 7246003


@dataclass(frozen=True)
class AuditView:
    """A changing call, as an owner sees it."""

    seq: int
    time: datetime
    actor: str
    action: str
    target: str
    request_id: str


def record_call(
    services: Services,
    *,
    actor: str,
    tenant_id: str | None,
    action: str,
    target: str,
    request_id: str,
) -> None:
    """Add a line, durable on return."""
    with services.database.transaction() as db:
        if not services.database.is_sqlite:  # a chain has one end, so writers take turns
            db.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _AUDIT_LOCK})
        last = db.scalars(select(Audit).order_by(Audit.seq.desc()).limit(1)).first()
        row = Audit(
            seq=last.seq + 1 if last else 1,
            time=services.clock(),
            tenant_id=tenant_id,
            actor=actor,
            action=action,
            target=target,
            request_id=request_id,
            hash="",
        )
        row.hash = _hash(row, last.hash if last else "")
        db.add(row)


def list_calls(
    services: Services, tenant_id: str | None, *, before: int | None = None, limit: int = 50
) -> tuple[list[AuditView], bool]:
    """A page of a tenant's lines, newest first; all lines where `tenant_id` is None."""
    wanted = select(Audit)
    if tenant_id is not None:
        wanted = wanted.where(Audit.tenant_id == tenant_id)
    if before is not None:
        wanted = wanted.where(Audit.seq < before)
    with services.database.reading() as db:
        rows = db.scalars(wanted.order_by(Audit.seq.desc()).limit(limit + 1)).all()
    views = [
        AuditView(r.seq, r.time, r.actor, r.action, r.target, r.request_id) for r in rows[:limit]
    ]
    return views, len(rows) > limit


def find_tampering(services: Services) -> Iterator[int]:
    """The numbers of lines that were changed, or before which one is missing."""
    with services.database.reading() as db:
        previous, expected = "", 1
        for row in _all_rows(db):
            if row.seq != expected or row.hash != _hash(row, previous):
                yield row.seq
            previous, expected = row.hash, row.seq + 1


def _all_rows(db: Session) -> Iterator[Audit]:
    yield from db.scalars(select(Audit).order_by(Audit.seq).execution_options(yield_per=1000))


def _hash(row: Audit, previous: str) -> str:
    facts = [row.seq, row.time.isoformat(), row.tenant_id, row.actor, row.action, row.target]
    return hashlib.sha256(canonical_json([previous, *facts, row.request_id]).encode()).hexdigest()


@dataclass(frozen=True)
class Verification:
    """Whether the log is as it was written, and the first lines where it is not."""

    is_intact: bool
    tampered: list[int]


def verify_log(services: Services) -> Verification:
    """Check the chain of hashes from its beginning."""
    tampered = list(islice(find_tampering(services), 100))
    return Verification(not tampered, tampered)
