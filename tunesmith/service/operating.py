"""What the operator does: people, pools and their prices, workers."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

import psutil
from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import Conflict, NotFound
from tunesmith.schema import check_name
from tunesmith.service import people
from tunesmith.service.gpus import GpuLoad, read_gpus
from tunesmith.service.services import Services
from tunesmith.store.pages import read_page
from tunesmith.store.tables import InferenceEngine, Key, Member, Person, Pool, Tenant, Worker

# --- people ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class PersonView:
    """Somebody who can log in; `tenants` by their names."""

    id: str
    email: str
    is_admin: bool
    tenants: list[str]
    created_at: datetime


def list_people(
    services: Services, *, after: str | None, limit: int
) -> tuple[list[PersonView], bool]:
    """A page of everybody who can log in, oldest first; `after` is the last id seen.

    Raises:
        NotFound: there is nobody `after`.
    """
    wanted = select(Person)
    with services.database.reading() as db:
        last = _find(db, after) if after is not None else None
        by = (Person.created_at, Person.id)
        rows, has_more = read_page(db, wanted, by=by, after=last, limit=limit, newest_first=False)
        return [_view(db, row) for row in rows], has_more


def _find(db: Session, person_id: str) -> Person:
    person = db.get(Person, person_id)
    if person is None:
        raise NotFound(f"there is nobody {person_id}")
    return person


def _view(db: Session, person: Person) -> PersonView:
    names = (
        select(Tenant.name)
        .join(Member, Member.tenant_id == Tenant.id)
        .where(Member.person_id == person.id)
        .order_by(Tenant.name)
    )
    tenants = list(db.scalars(names))
    return PersonView(person.id, person.email, person.is_admin, tenants, person.created_at)


def add_admin(services: Services, *, email: str, password: str | None) -> PersonView:
    """Make somebody an operator; `password` is needed for who is not known here yet.

    Raises:
        NotFound: nobody has that e-mail and no password was given.
        NameInvalid: e-mail or password break the rules.
    """
    with services.database.transaction() as db:
        person = people.find_or_add(db, email, password, now=services.clock())
        person.is_admin = True
        db.flush()
        return _view(db, person)


def change_person(
    services: Services, person_id: str, *, is_admin: bool | None, password: str | None
) -> PersonView:
    """Make somebody an operator or not, or give them a new password, which ends their sessions.

    Raises:
        NotFound: there is nobody of that id.
        NameInvalid: the password breaks the rules.
        Conflict: nobody would be left to operate.
    """
    with services.database.transaction() as db:
        person = _find(db, person_id)
        if is_admin is not None:
            if not is_admin:
                _keep_an_admin(db, person)
            person.is_admin = is_admin
        if password is not None:
            person.password_hash = people.hash_password(password)
            _end_keys(services, db, person_id, only_sessions=True)
        db.flush()
        return _view(db, person)


def _keep_an_admin(db: Session, person: Person) -> None:
    others = select(Person.id).where(Person.is_admin, Person.id != person.id)
    if person.is_admin and db.scalars(others).first() is None:
        raise Conflict("an installation needs an operator", hint="make somebody else one first")


def lock_out(services: Services, person_id: str) -> None:
    """Take somebody out of every tenant and end all their keys; what they made stays.

    Raises:
        NotFound: there is nobody of that id.
        Conflict: nobody would be left to operate, or a tenant would have no owner.
    """
    with services.database.transaction() as db:
        person = _find(db, person_id)
        _keep_an_admin(db, person)
        for member in db.scalars(select(Member).where(Member.person_id == person_id)):
            people.keep_an_owner(db, member)
            db.delete(member)
        person.is_admin = False
        person.password_hash = people.NO_PASSWORD
        _end_keys(services, db, person_id, only_sessions=False)


def _end_keys(services: Services, db: Session, person_id: str, *, only_sessions: bool) -> None:
    for key in db.scalars(select(Key).where(Key.person_id == person_id)):
        if key.kind == "session" or not only_sessions:
            key.revoked_at = key.revoked_at or services.clock()


# --- pools and workers -----------------------------------------------------------------------


@dataclass(frozen=True)
class PoolView:
    """A group of workers: its prices, and what its living workers offer together."""

    name: str
    price_per_core_hour: float
    price_per_gpu_hour: float
    currency: str
    num_workers: int
    num_cores: int
    memory_bytes: int
    num_gpus: int
    inference_bytes: int
    taken_bytes: int


@dataclass(frozen=True)
class WorkerView:
    """A worker as tenants see it: how large it is and whether it lives, not where.

    Attributes:
        inference_bytes: of its memory, the most for deployed models.
        taken_bytes: what deployed models hold of that.
    """

    id: str
    pool: str
    num_cores: int
    memory_bytes: int
    num_gpus: int
    inference_bytes: int
    taken_bytes: int
    is_alive: bool


@dataclass(frozen=True)
class WorkerDetail:
    """A worker as the operator sees it."""

    worker: WorkerView
    host: str
    started_at: datetime
    seen_at: datetime


def list_pools(services: Services) -> list[PoolView]:
    """Every pool that has a price or a worker, by name."""
    workers = [worker for worker in list_workers(services) if worker.is_alive]
    with services.database.reading() as db:
        pools = {pool.name: pool for pool in db.scalars(select(Pool))}
    names = sorted({*pools, *(worker.pool for worker in workers), services.config.pool})
    return [
        _pool_view(name, pools.get(name), [each for each in workers if each.pool == name])
        for name in names
    ]


def _pool_view(name: str, pool: Pool | None, workers: list[WorkerView]) -> PoolView:
    return PoolView(
        name=name,
        price_per_core_hour=pool.price_per_core_hour if pool else 0.0,
        price_per_gpu_hour=pool.price_per_gpu_hour if pool else 0.0,
        currency=pool.currency if pool else "",
        num_workers=len(workers),
        num_cores=sum(worker.num_cores for worker in workers),
        memory_bytes=sum(worker.memory_bytes for worker in workers),
        num_gpus=sum(worker.num_gpus for worker in workers),
        inference_bytes=sum(worker.inference_bytes for worker in workers),
        taken_bytes=sum(worker.taken_bytes for worker in workers),
    )


def own_pool(services: Services) -> PoolView:
    """The pool where models are deployed."""
    return next(pool for pool in list_pools(services) if pool.name == services.config.pool)


def set_pool(
    services: Services,
    name: str,
    *,
    price_per_core_hour: float,
    price_per_gpu_hour: float,
    currency: str,
) -> PoolView:
    """Say what a pool's time costs.

    Raises:
        NameInvalid: the name breaks the rules.
    """
    check_name(name)
    with services.database.transaction() as db:
        pool = db.get(Pool, name) or Pool(name=name)
        pool.price_per_core_hour = price_per_core_hour
        pool.price_per_gpu_hour = price_per_gpu_hour
        pool.currency = currency
        db.add(pool)
    return next(view for view in list_pools(services) if view.name == name)


def delete_pool(services: Services, name: str) -> None:
    """Forget a pool's prices.

    Raises:
        NotFound: it has none.
    """
    with services.database.transaction() as db:
        pool = db.get(Pool, name)
        if pool is None:
            raise NotFound(f"there is no pool {name!r} with a price")
        db.delete(pool)


def list_workers(services: Services) -> list[WorkerView]:
    """Every worker that came and did not take its leave."""
    return [detail.worker for detail in list_worker_details(services)]


def list_worker_details(services: Services) -> list[WorkerDetail]:
    """The same for the operator, with where they are."""
    with services.database.reading() as db:
        rows = db.scalars(select(Worker).order_by(Worker.pool, Worker.started_at)).all()
        engines = db.scalars(select(InferenceEngine)).all()
    # By wall clocks, to show; jobs are taken from workers by beats alone.
    lately = services.clock() - timedelta(seconds=services.config.lease_seconds)
    return [
        WorkerDetail(
            WorkerView(
                id=row.id,
                pool=row.pool,
                num_cores=row.num_cores,
                memory_bytes=row.memory_bytes,
                num_gpus=row.num_gpus,
                inference_bytes=row.inference_bytes,
                taken_bytes=sum(
                    engine.memory_bytes for engine in engines if engine.worker_id == row.id
                ),
                is_alive=row.seen_at >= lately,
            ),
            host=row.host,
            started_at=row.started_at,
            seen_at=row.seen_at,
        )
        for row in rows
    ]


def forget_worker(services: Services, worker_id: str) -> None:
    """Forget a worker that is gone; one that lives says hello again.

    Raises:
        NotFound: there is no such worker.
    """
    with services.database.transaction() as db:
        worker = db.get(Worker, worker_id)
        if worker is None:
            raise NotFound(f"there is no worker {worker_id}")
        db.delete(worker)


# --- the server's machine --------------------------------------------------------------------


@dataclass(frozen=True)
class MachineLoad:
    """How busy the server's machine is: a share of its processor, bytes, living workers, GPUs."""

    busy: float
    used_memory: int
    total_memory: int
    used_disk: int
    total_disk: int
    num_workers: int
    gpus: list[GpuLoad]


def machine_load(services: Services) -> MachineLoad:
    """The load since it was asked for last; the disk is that of the installation's folder."""
    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(services.installation.folder)
    return MachineLoad(
        busy=psutil.cpu_percent() / 100,
        used_memory=memory.total - memory.available,
        total_memory=memory.total,
        used_disk=disk.used,
        total_disk=disk.total,
        num_workers=sum(worker.is_alive for worker in list_workers(services)),
        gpus=read_gpus(),
    )
