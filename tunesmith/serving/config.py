"""Settings of an engine. Torch-free."""

from typing import Literal

from tunesmith.schema import Strict, setting


class EngineConfig(Strict):
    """How much an engine takes on. Memory follows from `kv_tokens` and `prefix_tokens`."""

    precision: Literal["auto", "bf16", "fp32"] = setting(
        "auto", "number format of weights and cache; auto is bf16 where it is multiplied fast"
    )
    kv_tokens: int = setting(
        16_384, "keys and values held at once, of all answers together", unit="tokens", ge=64
    )
    prefix_tokens: int = setting(
        8_192, "known beginnings of prompts kept for reuse; 0 keeps none", unit="tokens", ge=0
    )
    context_tokens: int = setting(
        4_096, "longest prompt and answer together, at most the model's own", unit="tokens", ge=2
    )
    answer_tokens: int = setting(
        1_024,
        "longest answer: the most that may be asked for, and what is asked for if nothing is",
        unit="tokens",
        ge=1,
    )
    step_tokens: int = setting(
        512,
        "prompt tokens read in one step; more starts answers sooner and delays those under way",
        unit="tokens",
        ge=1,
        band=(32, 4096),
    )
    max_sequences: int = setting(64, "answers written at once", ge=1)
