"""How models are asked, and what is measured on their answers. Torch-free."""

from typing import Literal, TypeAlias

from pydantic import PositiveInt

from tunesmith.schema import Strict, setting

MetricName: TypeAlias = Literal[
    "exact",
    "contains",
    "json-exact",
    "json-valid",
    "final-number",
    "rouge-1",
    "rouge-2",
    "rouge-l",
    "bleu",
    "chrf",
]
"""What can be measured on answers; `metrics.METRICS` says how."""
DEFAULT_METRICS: tuple[MetricName, ...] = ("exact", "rouge-l", "bleu")


class AnswerSettings(Strict):
    """How every model answers; the same for all that are compared."""

    max_tokens: PositiveInt = setting(160, "longest answer", unit="tokens", le=100_000)
    temperature: float = setting(0.0, "0 always takes the likeliest token", ge=0, le=100)
    top_p: float = setting(
        1.0, "choose among the likeliest tokens of this total probability", gt=0, le=1
    )
    seed: int = setting(0, "origin of the random choice; prompt n has seed + n", ge=0, lt=2**32)
    precision: Literal["auto", "bf16", "fp32"] = setting(
        "auto", "number format; in bf16 near ties may fall otherwise beside other answers"
    )
