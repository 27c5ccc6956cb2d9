"""Which workers there are: each says hello now and then, and is forgotten when it falls silent."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from tunesmith.store.claims import Room
from tunesmith.store.tables import Worker


def say_hello(
    db: Session,
    worker_id: str,
    *,
    host: str,
    pool: str,
    size: Room,
    inference_bytes: int,
    now: datetime,
) -> None:
    """Worker `worker_id` is there."""
    worker = db.get(Worker, worker_id)
    if worker is None:
        worker = Worker(
            id=worker_id,
            host=host,
            pool=pool,
            num_cores=size.num_cores,
            memory_bytes=size.memory_bytes,
            num_gpus=size.num_gpus,
            inference_bytes=inference_bytes,
            beat=0,
            started_at=now,
        )
        db.add(worker)
    worker.beat += 1
    worker.seen_at = now


def worker_beats(db: Session) -> Sequence[tuple[str, int]]:
    """Every worker's id and beat."""
    return [(id, beat) for id, beat in db.execute(select(Worker.id, Worker.beat))]


def forget_worker(db: Session, worker_id: str, *, seen_beat: int | None = None) -> None:
    """A worker has gone; with `seen_beat`, unless it has said hello since."""
    gone = delete(Worker).where(Worker.id == worker_id)
    db.execute(gone if seen_beat is None else gone.where(Worker.beat == seen_beat))
