"""What training takes of memory, by the figures of a model alone. Torch-free.

The preflight fills in what it has measured (`memory.py`); forms what is known at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tunesmith.modeling.config import FullConfig, LoraConfig

# Of the output head: logits of so many tokens are alive at once (kernels/loss.py).
# 256 x 49,152 float32 logits are 50 MB; the whole of a batch would be 240 MB and more.
CHUNK_TOKENS = 256
PROCESS_BYTES = 0.55e9  # Python, torch and transformers, measured: 520 to 560 MB resident
_FRAGMENTATION = 1.15  # the allocator's holes; measured peak / plan was 0.9 to 1.1 with it


@dataclass(frozen=True)
class ModelShape:
    """The figures of a model that activations follow from."""

    hidden: int
    inner: int
    num_layers: int
    num_heads: int
    num_ids: int

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "ModelShape":
        """By a config.json in the words of today's architectures.

        Raises:
            KeyError: it has others.
        """
        hidden = config["hidden_size"]
        return cls(
            hidden=hidden,
            inner=config.get("intermediate_size") or 4 * hidden,
            num_layers=config["num_hidden_layers"],
            num_heads=config["num_attention_heads"],
            num_ids=config["vocab_size"],
        )

    def most_low_rank(self, rank: int) -> int:
        """Values of LoRA pairs on every linear layer, at most: four of attention, three behind."""
        return self.num_layers * rank * (8 * self.hidden + 3 * (self.hidden + self.inner))


@dataclass(frozen=True)
class Footprint:
    """Estimated peak, in bytes, by cause."""

    weights: float
    trained: float
    activations: float
    head: float
    process: float

    @property
    def parts(self) -> dict[str, float]:
        """What each cause takes, with the allocator's holes, bytes."""
        held = {
            "weights": self.weights,
            "trained": self.trained,
            "activations": self.activations,
            "head": self.head,
        }
        with_holes = {cause: _FRAGMENTATION * num_bytes for cause, num_bytes in held.items()}
        return {**with_holes, "process": self.process}

    @property
    def needed(self) -> float:
        """The sum of all causes, bytes."""
        return sum(self.parts.values())


def footprint(
    shape: ModelShape,
    method: LoraConfig | FullConfig,
    *,
    num_frozen: int,
    num_trainable: int,
    number_bytes: int,
    batch_tokens: int,
    longest: int,
    process: float = PROCESS_BYTES,
) -> Footprint:
    """Estimate the peak of training with batches of at most `batch_tokens` packed tokens.

    Activations kept for the backward pass, in elements a token and layer: inputs of norms,
    attention and feed-forward products, and the attention probabilities (heads x longest / 2).
    """
    per_token_layer = 16 * shape.hidden + 5 * shape.inner + shape.num_heads * longest / 2
    # One chunk's logits and their gradient as they are computed, its log-probabilities in float32.
    head = min(CHUNK_TOKENS, batch_tokens) * shape.num_ids * (2 * number_bytes + 4)
    # A float32 gradient and two AdamW moments for each trained value, and the value itself.
    if method.kind == "full":
        master = 4 if number_bytes == 2 else 0  # a float32 weight is its own master
        per_trained_value = 4 + 8 + number_bytes + master
        head += shape.num_ids * shape.hidden * 4  # the head's gradient is summed up in float32
    else:
        per_trained_value = 4 + 8 + 4  # adapters are float32 whatever the base is
    return Footprint(
        weights=num_frozen * number_bytes,
        trained=num_trainable * per_trained_value,
        activations=batch_tokens * shape.num_layers * per_token_layer * number_bytes,
        head=head,
        process=process,
    )
