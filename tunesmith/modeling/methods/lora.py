"""LoRA, saved in PEFT's format (names, shapes and signs of peft/tuners/lora)."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from tunesmith.errors import ModelRejected, RecipeInvalid
from tunesmith.modeling.config import TARGET_PRESETS, LoraConfig
from tunesmith.modeling.kernels.lora import lora_linear

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
# Settings of PEFT that change what an adapter computes and that LoraConfig does not have.
_NOT_OURS = (
    *("use_rslora", "use_dora", "bias", "rank_pattern", "alpha_pattern", "modules_to_save"),
    *("layers_to_transform", "exclude_modules", "target_parameters", "trainable_token_indices"),
)
_PREFIX = "base_model.model."

output_kind = "adapter"


class LoraLinear(nn.Module):
    """A frozen linear layer and its pair: A [rank, inputs] random, B [outputs, rank] zero.

    The pair is float32 whatever the base's dtype: small updates would be lost in bf16.
    """

    def __init__(self, base: nn.Linear, config: LoraConfig, *, generator: torch.Generator) -> None:
        super().__init__()
        self.base = base
        self.scaling = config.resolved_alpha / config.rank
        self.dropout = config.dropout
        device = base.weight.device
        lora_a = torch.empty(config.rank, base.in_features)
        nn.init.kaiming_uniform_(lora_a, a=math.sqrt(5), generator=generator)
        self.lora_a = nn.Parameter(lora_a.to(device))
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, config.rank, device=device))

    def forward(self, inputs: Tensor) -> Tensor:
        """[..., inputs] -> [..., outputs]."""
        if self.training and self.dropout > 0:
            kept = nn.functional.dropout(inputs, self.dropout)
            reduced = nn.functional.linear(kept, self.lora_a.to(inputs.dtype))
            return self.base(inputs) + self.scaling * nn.functional.linear(
                reduced, self.lora_b.to(inputs.dtype)
            )
        return lora_linear(
            inputs, self.base.weight, self.base.bias, self.lora_a, self.lora_b, self.scaling
        )


def apply(model: PreTrainedModel, config: LoraConfig, *, seed: int) -> None:
    """Freeze `model` and put a trained pair beside every target layer.

    Raises:
        RecipeInvalid: a target name that the model does not have, layers of a kind that lora cannot
            use, or a rank above a layer's size.
    """
    model.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name in target_names(model, config):
        base = model.get_submodule(name)
        assert isinstance(base, nn.Linear)
        largest = min(base.in_features, base.out_features)
        if config.rank > largest:
            raise RecipeInvalid(
                f"method.rank = {config.rank} exceeds {largest}, the smaller side of layer {name}"
            )
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, LoraLinear(base, config, generator=generator))


def target_names(model: PreTrainedModel, config: LoraConfig) -> list[str]:
    """Full names of the layers that `config.targets` selects, in the model's order.

    Raises:
        RecipeInvalid: a name or a whole preset matches nothing, naming what there is; or the model
            keeps its weights in layers of another kind.
    """
    if any(isinstance(module, Conv1D) for module in model.modules()):
        raise RecipeInvalid(
            f"{type(model).__name__} keeps its weights in Conv1D; lora needs linear layers"
        )
    head = model.get_output_embeddings()
    linear = [n for n, m in model.named_modules() if isinstance(m, nn.Linear) and m is not head]
    if config.targets == "all-linear":
        return linear
    kinds = sorted({name.rpartition(".")[2] for name in linear})
    if isinstance(config.targets, str):  # a preset has names for many models, each has some
        wanted, unknown = TARGET_PRESETS[config.targets], []
    else:
        wanted = config.targets
        unknown = [name for name in wanted if name not in kinds]
    chosen = [name for name in linear if name.rpartition(".")[2] in wanted]
    if unknown or not chosen:
        shown = ", ".join(unknown or wanted)
        raise RecipeInvalid(
            f"method.targets: this model has no layer {shown}", hint=f"it has {', '.join(kinds)}"
        )
    return chosen


def save(model: PreTrainedModel, config: LoraConfig, folder: Path, *, base: Path) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json` as PEFT does."""
    tensors = {
        f"{_PREFIX}{name}.{kind}.weight": tensor.detach().cpu().contiguous()
        for name, layer in _lora_layers(model).items()
        for kind, tensor in (("lora_A", layer.lora_a), ("lora_B", layer.lora_b))
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    targets = sorted({name.rpartition(".")[2] for name in _lora_layers(model)})
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": str(base),
        "r": config.rank,
        "lora_alpha": config.resolved_alpha,
        "lora_dropout": config.dropout,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
    }
    (folder / CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", "utf-8")


def restore(model: PreTrainedModel, config: LoraConfig, folder: Path) -> None:
    """Load the pairs of `folder` into a model that `apply` has prepared."""
    tensors = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, layer in _lora_layers(model).items():
            layer.lora_a.copy_(tensors.pop(f"{_PREFIX}{name}.lora_A.weight"))
            layer.lora_b.copy_(tensors.pop(f"{_PREFIX}{name}.lora_B.weight"))
    assert not tensors, f"{folder} has tensors for layers that are not there: {sorted(tensors)[:3]}"


def read_config(folder: Path) -> LoraConfig:
    """The settings of an adapter folder in PEFT's format.

    Raises:
        ModelRejected: it uses what this method lacks, without which it would answer otherwise.
    """
    settings = _read_settings(folder)
    return LoraConfig(
        rank=settings["r"],
        alpha=settings["lora_alpha"],
        dropout=settings.get("lora_dropout", 0.0),
        targets=settings["target_modules"],
    )


@dataclass(frozen=True)
class Pairs:
    """An adapter's (A [rank, inputs], B [outputs, rank]) by the full name of their layer."""

    rank: int
    scaling: float
    layers: Mapping[str, tuple[Tensor, Tensor]]


def read_pairs(folder: Path) -> Pairs:
    """The pairs of an adapter folder in PEFT's format, ours or stock PEFT's.

    Raises:
        ModelRejected: the folder is damaged, or it uses what this method lacks.
    """
    settings = _read_settings(folder)
    try:
        tensors = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelRejected(f"{folder / WEIGHTS} cannot be read: {error}") from error
    suffixes = (".lora_A.weight", ".lora_B.weight")
    names = {key.removeprefix(_PREFIX).removesuffix(end) for key in tensors for end in suffixes}
    names = {name for name in names if not name.endswith(suffixes)}
    expected = {f"{_PREFIX}{name}{suffix}" for name in names for suffix in suffixes}
    if not names or expected != tensors.keys():
        odd = min(expected ^ tensors.keys(), default="nothing")
        raise ModelRejected(f"{folder / WEIGHTS} is no LoRA adapter: unpaired is {odd}")
    a, b = suffixes
    return Pairs(
        rank=settings["r"],
        scaling=settings["lora_alpha"] / settings["r"],
        layers={n: (tensors[f"{_PREFIX}{n}{a}"], tensors[f"{_PREFIX}{n}{b}"]) for n in names},
    )


def _read_settings(folder: Path) -> dict[str, Any]:
    settings = json.loads((folder / CONFIG).read_text("utf-8"))
    foreign = [key for key in _NOT_OURS if settings.get(key) not in (None, False, "none", {}, [])]
    if settings.get("peft_type") != "LORA" or foreign:
        what = ", ".join(foreign) or f"peft_type {settings.get('peft_type')}"
        raise ModelRejected(f"the adapter {folder} uses {what}, which is not supported")
    rank, alpha = settings.get("r"), settings.get("lora_alpha")
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, int | float)):
        raise ModelRejected(
            f"{folder / CONFIG}: r is {rank!r}, lora_alpha {alpha!r}; both are to be numbers"
        )
    return settings


def _lora_layers(model: nn.Module) -> dict[str, LoraLinear]:
    return {
        name: module for name, module in model.named_modules() if isinstance(module, LoraLinear)
    }
