"""How much memory a training run will need, before it starts."""

import math
import resource
from dataclasses import dataclass

import psutil
from transformers import PretrainedConfig

from tunesmith.modeling.config import FullConfig, LoraConfig
from tunesmith.modeling.inspect import ParameterCount
from tunesmith.modeling.kernels.loss import CHUNK_TOKENS
from tunesmith.modeling.load import Dtype

_GB = 1e9
_PROCESS_BYTES = 0.55e9  # Python, torch and transformers, measured: 520 to 560 MB resident
# A limit counts what is reserved, not what is used: threads' heaps and stacks, compiled kernels.
# Measured: the smallest training always ends well at 755 MB and dies of SIGSEGV now and then at
# 710, since libraries do not check what they ask for.
_LIMITED_PROCESS_BYTES = 0.8e9
_FRAGMENTATION = 1.15  # the allocator's holes; measured peak / plan was 0.9 to 1.1 with it


@dataclass(frozen=True)
class MemoryPlan:
    """Estimated peak, in bytes, by cause, and what this process may have."""

    weights: float
    trained: float
    activations: float
    head: float
    process: float
    available: float

    @property
    def parts(self) -> dict[str, float]:
        """What each cause takes, with the allocator's holes, bytes."""
        causes = {
            "weights": self.weights,
            "trained": self.trained,
            "activations": self.activations,
            "head": self.head,
        }
        held = {cause: _FRAGMENTATION * num_bytes for cause, num_bytes in causes.items()}
        return {**held, "process": self.process}

    @property
    def needed(self) -> float:
        """The sum of all causes, bytes."""
        return sum(self.parts.values())

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
    """Estimate the peak of training with batches of at most `batch_tokens` packed tokens.

    Activations kept for the backward pass, in elements a token and layer: inputs of norms,
    attention and feed-forward products, and the attention probabilities (heads x longest / 2).
    """
    size = 2 if dtype == "bf16" else 4
    hidden = config.hidden_size
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    per_token_layer = 16 * hidden + 5 * inner + config.num_attention_heads * longest / 2
    # One chunk's logits and their gradient in `dtype`, its log-probabilities in float32.
    head = min(CHUNK_TOKENS, batch_tokens) * config.vocab_size * (size + size + 4)
    # A float32 gradient and two AdamW moments for each trained value, and the value itself.
    if method.kind == "full":
        master = 4 if dtype == "bf16" else 0  # a float32 weight is its own master
        per_trained_value = 4 + 8 + size + master
        head += config.vocab_size * hidden * 4  # the head's gradient is summed up in float32
    else:
        per_trained_value = 4 + 8 + 4  # adapters are float32 whatever the base is
    return MemoryPlan(
        weights=(count.total - count.num_trainable) * size,
        trained=count.num_trainable * per_trained_value,
        activations=batch_tokens * config.num_hidden_layers * per_token_layer * size,
        head=head,
        process=_PROCESS_BYTES if _limit_bytes() == math.inf else _LIMITED_PROCESS_BYTES,
        available=available_bytes(),
    )


def available_bytes() -> float:
    """Memory that this process may still take: what is free, at most its own limit."""
    return float(min(psutil.virtual_memory().available, _limit_bytes()))


def _limit_bytes() -> float:
    """What this process may take in all, as whoever started it set by `prlimit`."""
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return math.inf if soft == resource.RLIM_INFINITY else soft
