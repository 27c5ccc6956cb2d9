"""Whether a training would fit into a worker's memory, said at once by the figures of the model.

The exact plan is the preflight's; the arithmetic is the same (`modeling/footprint.py`).
"""

import json
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tunesmith.errors import NotFound
from tunesmith.modeling.catalog import CATALOG
from tunesmith.modeling.footprint import ModelShape, footprint
from tunesmith.service.datasets import find_version
from tunesmith.service.engine_plan import number_bytes
from tunesmith.service.operating import list_workers
from tunesmith.service.services import Services
from tunesmith.serving.sizes import count_numbers
from tunesmith.store.home import Home
from tunesmith.training.config import TrainConfig

Verdict: TypeAlias = Literal["fits", "tight", "too large"]

_ROOMY = 0.8  # of a worker's memory: what is left over is for what else it does


@dataclass(frozen=True)
class MemoryFit:
    """What training would take at most, and the memory of the largest worker of the pool."""

    needed: float
    available: int

    @property
    def verdict(self) -> Verdict:
        """Whether it fits."""
        share = self.needed / self.available
        return "fits" if share <= _ROOMY else "tight" if share <= 1 else "too large"


def judge_fit(services: Services, tenant_id: str, recipe: TrainConfig) -> MemoryFit | None:
    """How training a base model of the catalog by `recipe` would fit into the usual pool's workers.

    None where the model is not here, is of an older architecture, or no worker is alive.
    """
    folder = services.installation.models / recipe.model
    config = folder / "config.json"
    pool = services.config.pool
    workers = [each for each in list_workers(services) if each.is_alive and each.pool == pool]
    if recipe.model not in CATALOG or not config.exists() or not workers:
        return None
    try:
        shape = ModelShape.of(json.loads(config.read_text("utf-8")))
    except KeyError:
        return None
    num_numbers = sum(map(count_numbers, folder.glob("*.safetensors")))
    method = recipe.method
    longest = _longest(services.home(tenant_id), recipe)
    found = footprint(
        shape,
        method,
        num_frozen=0 if method.kind == "full" else num_numbers,
        num_trainable=num_numbers if method.kind == "full" else shape.most_low_rank(method.rank),
        number_bytes={"auto": number_bytes(), "bf16": 2, "fp32": 4}[recipe.precision],
        batch_tokens=recipe.training.batch_size * longest,
        longest=longest,
    )
    return MemoryFit(found.needed, max(each.memory_bytes for each in workers))


def _longest(home: Home, recipe: TrainConfig) -> int:
    """Tokens of the longest example at most: no more than characters, cut at the limit."""
    try:
        versions = [find_version(home, entry.dataset) for entry in recipe.data.train]
    except NotFound:
        return recipe.data.max_length
    texts = (sum(role.longest for role in each.stats.roles.values()) for each in versions)
    return min(recipe.data.max_length, max(texts, default=recipe.data.max_length))
