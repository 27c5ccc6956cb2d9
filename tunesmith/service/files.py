"""Uploaded files: kept under ids of our own, byte for byte."""

import fcntl
import hashlib
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.artifacts import fsync_folder, write_durably
from tunesmith.data.sources.datafile import one_line
from tunesmith.errors import InUse, NotEnoughDisk, NotFound, QuotaExceeded
from tunesmith.failpoints import failpoint
from tunesmith.service.access import Actor
from tunesmith.service.services import Services
from tunesmith.store.pages import read_page
from tunesmith.store.tables import TERMINAL, File, Job, Tenant, new_id

FILE_PREFIX = "file-"  # of ids; such a file may stand where a dataset may, and is imported first
_CHUNK_BYTES = 1 << 20
_PARTIAL = ".partial-"
_SPARE_BYTES = 1 << 30  # of disk, that uploads leave to the runs


@dataclass(frozen=True)
class FileView:
    """An uploaded file."""

    id: str
    filename: str
    purpose: str
    num_bytes: int
    sha256: str
    created_at: datetime
    created_by: str


def store_file(
    services: Services, stream: BinaryIO, *, filename: str, purpose: str, actor: Actor
) -> FileView:
    """Keep an upload, durable on return, holding a megabyte of it in memory.

    Raises:
        QuotaExceeded: it is larger than uploads may be, or the tenant's share of the disk is full.
        NotEnoughDisk: the disk is.
    """
    folder = _folder(services, actor.tenant_id)
    folder.mkdir(parents=True, exist_ok=True)
    room = _room_left(services, actor.tenant_id, folder)
    file_id = new_id("file")
    partial = folder / f"{_PARTIAL}{file_id}"
    try:
        num_bytes, sha256 = _copy(stream, partial, room=room)
        failpoint("file.before_rename")
        os.rename(partial, folder / file_id)
    finally:
        partial.unlink(missing_ok=True)
    fsync_folder(folder)
    row = File(
        id=file_id,
        tenant_id=actor.tenant_id,
        filename=one_line(Path(filename.replace("\\", "/")).name, longest=200) or "upload",
        purpose=purpose,
        num_bytes=num_bytes,
        sha256=sha256,
        created_at=services.clock(),
        created_by=actor.email,
    )
    failpoint("file.before_row")
    with services.database.transaction() as db:
        db.add(row)
    return _view(row)


def add_file(
    services: Services, db: Session, job: Job, text: str, *, filename: str, purpose: str
) -> File:
    """Keep what `job` has to hand out, as a file of its tenant; durable before `db` commits.

    It is named after the job, so that one who publishes the job again leaves no second one.
    """
    folder = _folder(services, job.tenant_id)
    folder.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    row = File(
        id=f"{FILE_PREFIX}{job.id.rpartition('-')[2]}",
        tenant_id=job.tenant_id,
        filename=filename,
        purpose=purpose,
        num_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        created_at=services.clock(),
        created_by=job.created_by,
    )
    write_durably(folder / row.id, text)
    db.add(row)
    return row


def _copy(stream: BinaryIO, target: Path, *, room: int) -> tuple[int, str]:
    hasher = hashlib.sha256()
    num_bytes = 0
    with target.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # while it is held, nobody takes it for a leftover
        while chunk := stream.read(_CHUNK_BYTES):
            num_bytes += len(chunk)
            if num_bytes > room:
                raise QuotaExceeded(
                    f"the file is larger than the {room:,} bytes that are left for it",
                    hint="delete other files, or ask the operator for more",
                )
            hasher.update(chunk)
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    return num_bytes, hasher.hexdigest()


def _room_left(services: Services, tenant_id: str, folder: Path) -> int:
    free = shutil.disk_usage(folder).free - _SPARE_BYTES
    if free <= 0:
        raise NotEnoughDisk("the disk is full", hint="ask the operator to free space")
    with services.database.reading() as db:
        quota = db.get_one(Tenant, tenant_id).max_bytes
        sizes = db.scalars(select(File.num_bytes).where(File.tenant_id == tenant_id)).all()
    room = min(free, services.config.max_upload_bytes)
    return room if quota is None else min(room, max(0, quota - sum(sizes)))


def remove_partial_files(services: Services) -> None:
    """Delete what killed servers left of uploads; those of a living one are locked by it."""
    for path in (services.installation.folder / "tenants").glob(f"*/files/{_PARTIAL}*"):
        with path.open("rb") as file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)


def list_files(
    services: Services,
    tenant_id: str,
    *,
    purpose: str | None = None,
    after: str | None = None,
    limit: int = 20,
    newest_first: bool = True,
) -> tuple[list[FileView], bool]:
    """A page of files, and whether there are more; `after` is the last id seen.

    Raises:
        NotFound: there is no file `after`.
    """
    wanted = select(File).where(File.tenant_id == tenant_id)
    if purpose is not None:
        wanted = wanted.where(File.purpose == purpose)
    with services.database.reading() as db:
        last = db.get(File, after) if after is not None else None
        if after is not None and (last is None or last.tenant_id != tenant_id):
            raise NotFound(f"there is no file {after}")
        by = (File.created_at, File.id)
        rows, has_more = read_page(
            db, wanted, by=by, after=last, limit=limit, newest_first=newest_first
        )
    return [_view(row) for row in rows], has_more


def find_file(services: Services, tenant_id: str, file_id: str) -> FileView:
    """A file of the tenant.

    Raises:
        NotFound: it has no such file.
    """
    with services.database.reading() as db:
        row = db.get(File, file_id)
    if row is None or row.tenant_id != tenant_id:
        raise NotFound(f"there is no file {file_id}")
    return _view(row)


def file_path(services: Services, tenant_id: str, file_id: str) -> Path:
    """Where the bytes of a file lie.

    Raises:
        NotFound: the tenant has no such file.
    """
    return _folder(services, tenant_id) / find_file(services, tenant_id, file_id).id


def delete_file(services: Services, tenant_id: str, file_id: str) -> None:
    """Delete a file; datasets that were made of it stay.

    Raises:
        NotFound: the tenant has no such file.
        InUse: a job that has not ended reads it.
    """
    path = file_path(services, tenant_id, file_id)
    with services.database.transaction() as db:
        unfinished = select(Job).where(Job.tenant_id == tenant_id, Job.status.not_in(TERMINAL))
        for job in db.scalars(unfinished):
            if job.spec["request"].get("file") == file_id:
                raise InUse(f"job {job.id} reads the file", hint="wait for it, or cancel it")
        db.delete(db.get_one(File, file_id))
    path.unlink(missing_ok=True)


def _folder(services: Services, tenant_id: str) -> Path:
    return services.home(tenant_id).folder / "files"


def _view(row: File) -> FileView:
    return FileView(
        id=row.id,
        filename=row.filename,
        purpose=row.purpose,
        num_bytes=row.num_bytes,
        sha256=row.sha256,
        created_at=row.created_at,
        created_by=row.created_by,
    )
