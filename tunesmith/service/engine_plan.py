"""What an engine needs: folders, memory, and whether there is room for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from sqlalchemy import select
from sqlalchemy.orm import Session

from tunesmith.errors import NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service.services import Services
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.sizes import count_numbers, plan_folder
from tunesmith.store.tables import Deployment, InferenceEngine, Model, Worker

_PROCESS_BYTES = 650_000_000  # Python, torch and transformers under load, measured
_CPU_FLAGS = Path("/proc/cpuinfo")


def base_folder(services: Services, db: Session, base: str) -> Path:
    """Where the weights of a base model lie.

    Raises:
        NotFound: they are not here.
    """
    if base in CATALOG:
        return services.installation.models / base
    return _own_folder(services, db, base)


def adapter_folder(
    services: Services, db: Session, deployment: Deployment, base: str
) -> Path | None:
    """Where the adapter of a deployment lies; None if its base answers alone.

    Raises:
        NotFound: it is gone.
    """
    if deployment.model == base:
        return None
    return _own_folder(services, db, deployment.model)


def _own_folder(services: Services, db: Session, model_id: str) -> Path:
    model = db.get(Model, model_id)
    if model is None:
        raise NotFound(f"the model {model_id} is gone")
    return services.home(model.tenant_id).folder / model.folder


def engine_bytes(folder: Path, config: EngineConfig) -> int:
    """What a process takes that serves the base model in `folder`, without adapters.

    Raises:
        ModelRejected: the model cannot be read.
    """
    plan = plan_folder(folder, config, number_bytes=number_bytes())
    return int(plan.needed) + _PROCESS_BYTES


def adapter_bytes(folder: Path) -> int:
    """What an adapter takes beside its base at most; its engine knows it to the byte.

    It is held in float32, and half of it may be zeros between the layers of one product.

    Raises:
        OSError: a file cannot be read.
        ValueError: a file is damaged.
    """
    return sum(map(count_numbers, folder.glob("*.safetensors"))) * 2 * 4


def number_bytes() -> int:
    """As `modeling.load.resolve_precision` decides on a CPU, without torch."""
    flags = _CPU_FLAGS.read_text("utf-8") if _CPU_FLAGS.exists() else ""
    return 2 if "avx512_bf16" in flags or "amx_tile" in flags else 4


@dataclass(frozen=True)
class Place:
    """A worker's memory for engines."""

    worker_id: str
    total: int
    free: int


def places(db: Session, pool: str) -> list[Place]:
    """What the workers of a pool have."""
    workers = db.scalars(select(Worker).where(Worker.pool == pool)).all()
    engines = db.scalars(select(InferenceEngine)).all()
    return [
        Place(
            worker.id,
            worker.inference_bytes,
            worker.inference_bytes
            - sum(engine.memory_bytes for engine in engines if engine.worker_id == worker.id),
        )
        for worker in workers
    ]


def best_place(places: Iterable[Place], *, needed: int) -> Place | None:
    """Where an engine would go first: of those large enough the emptiest, else the largest."""
    return max(
        places,
        key=lambda each: (min(each.total, needed), each.free, each.worker_id),
        default=None,
    )


Reason: TypeAlias = tuple[str, str]  # what people read: why, and what to do


def waits_for_room(db: Session, deployment: Deployment, *, needed: int, place: Place) -> Reason:
    """Why `deployment` is not at `place`, the best one, and what its tenant can do."""
    if place.total < needed:
        return (
            f"waits for a worker with {_gb(needed)} of memory for models; "
            f"the largest at work has {_gb(place.total)}",
            "start a larger worker, or raise its inference_memory",
        )
    if place.free >= needed:
        return (
            f"waits for {_gb(needed)} of memory, which jobs or other programs use",
            "it goes on when they end",
        )
    return (
        f"waits for {_gb(needed)} of memory; "
        f"{_gb(max(0, place.free))} of {_gb(place.total)} are free",
        _what_to_stop(db, deployment, place),
    )


def too_large(deployment: Deployment, *, needed: int, total: int) -> Reason:
    """Why `deployment` is given up: its worker has less, or the largest that it could have."""
    return (
        f"{deployment.model} needs {_gb(needed)} of memory, its base included; "
        f"the worker has {_gb(total)} for models",
        "start a larger worker, or raise its inference_memory",
    )


def _what_to_stop(db: Session, deployment: Deployment, place: Place) -> str:
    standing = (
        select(Deployment)
        .join(InferenceEngine, InferenceEngine.id == Deployment.engine_id)
        .where(
            InferenceEngine.worker_id == place.worker_id,
            Deployment.tenant_id == deployment.tenant_id,
            Deployment.state == "ready",
        )
        .order_by(Deployment.created_at)
    )
    own = ", ".join(each.model for each in db.scalars(standing))
    if own:
        return f"stop one of {own}, or raise inference_memory"
    return "ask the operator to stop other deployments or to raise inference_memory"


def _gb(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.2f} GB"
