"""Full fine-tuning: every weight is trained and a complete model comes out."""

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from tunesmith.modeling.config import FullConfig

WEIGHTS = "model.safetensors"
_COMPANIONS = ("*.json", "*.jinja", "tokenizer.model")

output_kind = "model"


def apply(model: PreTrainedModel, config: FullConfig, *, seed: int) -> None:
    """Make every weight trainable."""
    model.requires_grad_(True)


def save(model: PreTrainedModel, config: FullConfig, folder: Path, *, base: Path) -> None:
    """Write the weights in Hugging Face layout, the base's tokenizer and settings beside them."""
    for pattern in _COMPANIONS:
        for path in sorted(base.glob(pattern)):
            if path.name not in ("manifest.json", "model.safetensors.index.json"):
                shutil.copyfile(path, folder / path.name)
    tensors = {
        name: tensor.detach().cpu().contiguous() for name, tensor in _unique_tensors(model).items()
    }
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def restore(model: PreTrainedModel, config: FullConfig, folder: Path) -> None:
    """Load all weights of `folder`."""
    tensors = load_file(folder / WEIGHTS)
    with torch.no_grad():
        for name, tensor in _unique_tensors(model).items():
            tensor.copy_(tensors[name])


def _unique_tensors(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """All parameters by name, tied ones once under their first name."""
    return dict(model.named_parameters())
