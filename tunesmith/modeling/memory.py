"""How much memory a training run will need, before it starts."""

import math
import resource
from dataclasses import dataclass

import psutil
from transformers import PretrainedConfig

from tunesmith.modeling.config import FullConfig, LoraConfig
from tunesmith.modeling.footprint import PROCESS_BYTES, Footprint, ModelShape, footprint
from tunesmith.modeling.inspect import ParameterCount
from tunesmith.modeling.load import Dtype

_GB = 1e9
# A limit counts what is reserved, not what is used: threads' heaps and stacks, compiled kernels.
# Measured: the smallest training always ends well at 755 MB and dies of SIGSEGV now and then at
# 710, since libraries do not check what they ask for.
_LIMITED_PROCESS_BYTES = 0.8e9


@dataclass(frozen=True)
class MemoryPlan(Footprint):
    """Estimated peak, in bytes, by cause, and what this process may have."""

    available: float

    def __str__(self) -> str:
        return f"{self.needed / _GB:.1f} GB of {self.available / _GB:.1f} GB free"


def plan_memory(
    config: PretrainedConfig,
    count: ParameterCount,
    method: LoraConfig | FullConfig,
    *,
    dtype: Dtype,
    batch_tokens: int,
    longest: int,
) -> MemoryPlan:
    """Estimate the peak of training with batches of at most `batch_tokens` packed tokens."""
    taken = footprint(
        # As attributes, which transformers calls alike for all architectures.
        ModelShape(
            hidden=config.hidden_size,
            inner=getattr(config, "intermediate_size", None) or 4 * config.hidden_size,
            num_layers=config.num_hidden_layers,
            num_heads=config.num_attention_heads,
            num_ids=config.vocab_size,
        ),
        method,
        num_frozen=count.total - count.num_trainable,
        num_trainable=count.num_trainable,
        number_bytes=2 if dtype == "bf16" else 4,
        batch_tokens=batch_tokens,
        longest=longest,
        process=PROCESS_BYTES if _limit_bytes() == math.inf else _LIMITED_PROCESS_BYTES,
    )
    return MemoryPlan(**vars(taken), available=available_bytes())


def available_bytes() -> float:
    """Memory that this process may still take: what is free, at most its own limit."""
    return float(min(psutil.virtual_memory().available, _limit_bytes()))


def _limit_bytes() -> float:
    """What this process may take in all, as whoever started it set by `prlimit`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return math.inf if soft == resource.RLIM_INFINITY else soft
