"""Adapter folders in PEFT's format -> what the engine runs.

LoRA pairs work beside layers. Prompt tuning, p-tuning and prefix tuning come down to the same
thing: keys and values that stand before the prompt. Prefix tuning stores them; for a prompt of
virtual embeddings they are computed once, when the adapter is loaded, since nothing before them
can change them.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from tunesmith.errors import ModelRejected
from tunesmith.modeling.methods.lora import CONFIG, WEIGHTS, Pairs, read_pairs
from tunesmith.serving.cache import CacheShape


@dataclass(frozen=True)
class VirtualPrompt:
    """Embeddings that stand before the prompt, [V, hidden]."""

    embeddings_VD: Tensor


@dataclass(frozen=True)
class VirtualStates:
    """Keys and values that stand before the prompt, [V, N * 2 * K * D] as PEFT stores them."""

    states_VF: Tensor

    def shaped(self, shape: CacheShape) -> Tensor:
        """[V, N, 2, K, D].

        Raises:
            ModelRejected: they are made for a model of another shape.
        """
        size = (shape.num_layers, 2, shape.num_heads, shape.head_size)
        width = self.states_VF.shape[1]
        if width != shape.num_layers * 2 * shape.num_heads * shape.head_size:
            raise ModelRejected(
                f"the adapter has {width} values for each virtual token, which does not fit "
                f"{shape.num_layers} layers of {shape.num_heads} heads of {shape.head_size}",
                hint="load it over the base model that it was trained on",
            )
        return self.states_VF.view(-1, *size).to(shape.dtype)


Parts: TypeAlias = Pairs | VirtualPrompt | VirtualStates


def read_adapter(folder: Path) -> Parts:
    """What the adapter in `folder` consists of.

    Raises:
        ModelRejected: there is no adapter, it is damaged, or of a kind that is not served.
    """
    try:
        settings = json.loads((folder / CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelRejected(f"{folder} has no readable {CONFIG}: {error}") from error
    kind = settings.get("peft_type")
    if kind not in READERS:
        raise ModelRejected(
            f"the adapter {folder.name} is of kind {kind}; served are {', '.join(READERS)}",
            hint="merge it into its base model and serve the result",
        )
    return READERS[kind](folder)


def _read_prompt(folder: Path) -> VirtualPrompt:
    return VirtualPrompt(_embeddings(folder))


def _read_prefix(folder: Path) -> VirtualStates:
    return VirtualStates(_embeddings(folder))


def _embeddings(folder: Path) -> Tensor:
    path = folder / WEIGHTS
    try:
        return load_file(path)["prompt_embeddings"]
    except (OSError, SafetensorError, KeyError) as error:
        raise ModelRejected(f"{path} has no readable prompt_embeddings: {error}") from error


READERS: Mapping[str, Callable[[Path], Any]] = {
    "LORA": read_pairs,
    "PROMPT_TUNING": _read_prompt,
    "P_TUNING": _read_prompt,
    "PREFIX_TUNING": _read_prefix,
}


@dataclass
class Adapter:
    """A loaded adapter.

    `place` is where its pairs lie in the bank, `virtual_TN2KD` what stands before each prompt; one
    of them is None, and both are for the base alone. `id` is never given twice, so that nothing
    cached for an older adapter of the same name is taken for this one's.
    """

    id: int
    place: int | None = None
    virtual_TN2KD: Tensor | None = None
    num_users: int = 0
    leaving: bool = False

    @property
    def num_virtual(self) -> int:
        """How many positions stand before the prompt."""
        return 0 if self.virtual_TN2KD is None else len(self.virtual_TN2KD)
