"""What becomes trainable and how. Torch-free: the control plane validates recipes with it."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from tunesmith.schema import Strict, setting

SETTINGS = "tunesmith.json"  # beside trained weights: what using them as they were trained takes

# Which linear layers carry an adapter, by the last part of their names (F65).
TARGET_PRESETS: dict[str, tuple[str, ...]] = {
    "attention-min": ("q_proj", "v_proj", "query_key_value", "c_attn"),
    "attention": (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "qkv_proj",
        "query_key_value",
        "c_attn",
        "dense",
    ),
    "all-linear": (),  # every linear layer but the output head
}


class LoraConfig(Strict):
    """Low-rank adaptation: beside frozen W, `(alpha / rank) B A` is trained (arXiv 2106.09685)."""

    kind: Literal["lora"] = "lora"
    rank: PositiveInt = setting(
        16, "rank of the trained pair; more for diverse tasks", band=(1, 256)
    )
    alpha: PositiveInt | Literal["auto"] = setting("auto", "strength; auto is 2 x rank")
    dropout: float = setting(
        0.0, "share of adapter inputs dropped in training", ge=0.0, lt=1.0, band=(0.0, 0.2)
    )
    targets: Literal["attention-min", "attention", "all-linear"] | list[str] = setting(
        "all-linear", "layers that carry an adapter: a preset, or names such as [q_proj, v_proj]"
    )

    @property
    def resolved_alpha(self) -> int:
        """`alpha`, or twice the rank where it is auto (F63)."""
        return 2 * self.rank if self.alpha == "auto" else self.alpha


class FullConfig(Strict):
    """Every weight is trained."""

    kind: Literal["full"] = "full"


MethodConfig = Annotated[LoraConfig | FullConfig, Field(discriminator="kind")]

# Learning rate by method where a recipe says auto (F57): the one source of this default.
DEFAULT_LEARNING_RATES: dict[str, float] = {"lora": 1e-4, "full": 2e-5}
# Where an unusual rate starts to be worth a warning: (low, high) by method.
LEARNING_RATE_BANDS: dict[str, tuple[float, float]] = {"lora": (1e-5, 2e-3), "full": (1e-7, 1e-4)}
