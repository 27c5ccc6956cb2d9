"""A tenant's library: characters to chat with and prompts to ask with. Every edit is a version."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, NotFound, QuotaExceeded
from tunesmith.schema import check_name
from tunesmith.service.access import Actor
from tunesmith.service.services import Services
from tunesmith.service.shelves import Content, Shelf
from tunesmith.store.tables import Entry, EntryVersion, Tenant, new_id

MAX_ENTRIES = 1000  # of a kind, in a tenant


@dataclass(frozen=True)
class Edition(Generic[Content]):
    """A version of an entry."""

    id: str
    name: str
    version: int
    content: Content
    created_by: str
    created_at: datetime


# --- looking ---------------------------------------------------------------------------------


def list_editions(
    services: Services, shelf: Shelf[Content], tenant_id: str
) -> list[Edition[Content]]:
    """The newest version of every entry, by name."""
    newest = (
        select(Entry, EntryVersion)
        .join(
            EntryVersion,
            (EntryVersion.entry_id == Entry.id) & (EntryVersion.version == Entry.version),
        )
        .where(Entry.tenant_id == tenant_id, Entry.kind == shelf.kind)
        .order_by(Entry.name)
    )
    with services.database.reading() as db:
        return [_view(shelf, entry, version) for entry, version in db.execute(newest)]


def get_edition(
    services: Services,
    shelf: Shelf[Content],
    tenant_id: str,
    entry_id: str,
    *,
    version: int | None = None,
) -> Edition[Content]:
    """A version of an entry, by default the newest.

    Raises:
        NotFound: the tenant has no such entry, or the entry no such version.
    """
    with services.database.reading() as db:
        entry = _find(db, shelf, tenant_id, entry_id)
        return _edition(db, shelf, entry, version=version)


def find_edition(
    services: Services, shelf: Shelf[Content], tenant_id: str, reference: str
) -> Edition[Content]:
    """What NAME or NAME@VERSION means.

    Raises:
        NotFound: the tenant has no such entry, or the entry no such version.
    """
    name, has_version, version = reference.partition("@")
    wanted = select(Entry).where(
        Entry.tenant_id == tenant_id, Entry.kind == shelf.kind, Entry.name == name
    )
    with services.database.reading() as db:
        entry = db.scalars(wanted).one_or_none()
        if entry is None or (has_version and not version.isdigit()):
            raise NotFound(f"there is no {shelf.kind} {reference!r}", hint="NAME or NAME@VERSION")
        return _edition(db, shelf, entry, version=int(version) if has_version else None)


def list_versions(
    services: Services, shelf: Shelf[Content], tenant_id: str, entry_id: str
) -> list[Edition[Content]]:
    """All versions of an entry, newest first.

    Raises:
        NotFound: the tenant has no such entry.
    """
    wanted = select(EntryVersion).where(EntryVersion.entry_id == entry_id)
    with services.database.reading() as db:
        entry = _find(db, shelf, tenant_id, entry_id)
        rows = db.scalars(wanted.order_by(EntryVersion.version.desc()))
        return [_view(shelf, entry, row) for row in rows]


# --- changing --------------------------------------------------------------------------------


def add_entry(
    services: Services, shelf: Shelf[Content], actor: Actor, *, name: str, content: Content
) -> Edition[Content]:
    """Keep an entry's first version.

    Raises:
        RecipeInvalid: it is not to be kept; see the shelf.
        NameInvalid: the name breaks the rules.
        Conflict: there is an entry of that name.
        QuotaExceeded: the tenant has as many as it may.
    """
    shelf.check(content)
    with services.database.transaction() as db:
        db.get_one(Tenant, actor.tenant_id, with_for_update=True)  # two at once take turns
        _check_free(db, shelf, actor.tenant_id, check_name(name))
        mine = select(func.count()).where(
            Entry.tenant_id == actor.tenant_id, Entry.kind == shelf.kind
        )
        if db.scalars(mine).one() >= MAX_ENTRIES:
            raise QuotaExceeded(f"there are {MAX_ENTRIES} {shelf.kind}s", hint="delete some")
        entry = Entry(
            id=new_id(shelf.kind),
            tenant_id=actor.tenant_id,
            kind=shelf.kind,
            name=name,
            version=0,
        )
        db.add(entry)
        db.flush()
        return _add_version(services, db, shelf, actor, entry, content)


def edit_entry(
    services: Services,
    shelf: Shelf[Content],
    actor: Actor,
    entry_id: str,
    *,
    content: Content,
    name: str | None = None,
    edited_version: int | None = None,
) -> Edition[Content]:
    """Make a new version, unless nothing of the newest one changes; `name` renames all versions.

    With `edited_version`, an edit of what is not the newest any more is refused.

    Raises:
        RecipeInvalid: it is not to be kept; see the shelf.
        NotFound: the tenant has no such entry.
        NameInvalid: the name breaks the rules.
        Conflict: there is an entry of that name, or somebody has edited it since.
    """
    with services.database.transaction() as db:
        db.get_one(Tenant, actor.tenant_id, with_for_update=True)  # two at once take turns
        entry = _find(db, shelf, actor.tenant_id, entry_id)
        if edited_version is not None and edited_version != entry.version:
            raise Conflict(
                f"{entry.name} has version {entry.version} by now, not {edited_version}",
                hint="look at it and edit that",
            )
        if name is not None and name != entry.name:
            _check_free(db, shelf, actor.tenant_id, check_name(name))
            entry.name = name
        newest = _edition(db, shelf, entry, version=None)
        if content == newest.content:
            return newest
        shelf.check(content)
        return _add_version(services, db, shelf, actor, entry, content)


def delete_entry(services: Services, shelf: Shelf[Content], tenant_id: str, entry_id: str) -> None:
    """Delete an entry with all versions; chats that were kept stay, and name it.

    Raises:
        NotFound: the tenant has no such entry.
    """
    with services.database.transaction() as db:
        entry = _find(db, shelf, tenant_id, entry_id)
        db.execute(delete(EntryVersion).where(EntryVersion.entry_id == entry.id))
        db.delete(entry)


def _check_free(db: Session, shelf: Shelf[Content], tenant_id: str, name: str) -> None:
    taken = select(Entry.id).where(
        Entry.tenant_id == tenant_id, Entry.kind == shelf.kind, Entry.name == name
    )
    if db.scalars(taken).first():
        raise Conflict(f"there is a {shelf.kind} {name!r} already", hint="choose another name")


def _add_version(
    services: Services,
    db: Session,
    shelf: Shelf[Content],
    actor: Actor,
    entry: Entry,
    content: Content,
) -> Edition[Content]:
    entry.version += 1
    version = EntryVersion(
        entry_id=entry.id,
        version=entry.version,
        tenant_id=entry.tenant_id,
        content=content.model_dump(mode="json"),
        created_by=actor.email,
        created_at=services.clock(),
    )
    db.add(version)
    return _view(shelf, entry, version)


def _find(db: Session, shelf: Shelf[Content], tenant_id: str, entry_id: str) -> Entry:
    entry = db.get(Entry, entry_id)
    if entry is None or (entry.tenant_id, entry.kind) != (tenant_id, shelf.kind):
        raise NotFound(f"there is no {shelf.kind} {entry_id}")
    return entry


def _edition(
    db: Session, shelf: Shelf[Content], entry: Entry, *, version: int | None
) -> Edition[Content]:
    wanted = entry.version if version is None else version
    row = db.get(EntryVersion, (entry.id, wanted))
    if row is None:
        raise NotFound(
            f"{shelf.kind} {entry.name} has no version {wanted}", hint=f"1 to {entry.version}"
        )
    return _view(shelf, entry, row)


def _view(shelf: Shelf[Content], entry: Entry, row: EntryVersion) -> Edition[Content]:
    content = shelf.content.model_validate(row.content, strict=False)
    return Edition(entry.id, entry.name, row.version, content, row.created_by, row.created_at)
