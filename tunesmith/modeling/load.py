"""A base model folder in Hugging Face layout -> a model in memory, ready for a method.

Nothing that could run code is loaded: safetensors only, no `auto_map`, no Python files.
"""

import json
from pathlib import Path
from typing import Any, Literal

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from tunesmith.errors import ModelRejected
from tunesmith.modeling.architectures import writes
from tunesmith.modeling.kernels import attention

Dtype = Literal["bf16", "fp32"]
Precision = Literal["auto", "bf16", "fp32"]
DTYPES: dict[Dtype, torch.dtype] = {"bf16": torch.bfloat16, "fp32": torch.float32}


def load_model(folder: Path, *, dtype: Dtype, packed: bool) -> PreTrainedModel:
    """Load the weights of `folder` in `dtype`.

    With `packed`, attention takes packed examples (training, validation loss); without, it is
    torch's own with key-value cache (generation).

    Raises:
        ModelRejected: the folder has code, pickles, no weights, or an architecture that is unknown
            or writes no texts.
    """
    check_writer(folder)
    attention.register()
    transformers_logging.disable_progress_bar()
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=DTYPES[dtype],
            attn_implementation=attention.PACKED if packed else "sdpa",
            local_files_only=True,
            use_safetensors=True,
        )
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelRejected(f"{folder}: the model cannot be loaded: {reason}") from error
    model.config.use_cache = not packed
    model.requires_grad_(False)
    return model.to(default_device())


def check_folder(folder: Path) -> dict[str, Any]:
    """Refuse a model folder that is incomplete or could run code; return its config.json.

    Raises:
        ModelRejected: naming the offending file.
    """
    config_path = folder / "config.json"
    if not config_path.is_file():
        raise ModelRejected(
            f"{folder} has no config.json", hint="give a folder in Hugging Face layout"
        )
    try:
        config = json.loads(config_path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelRejected(f"{config_path} is not JSON: {error}") from error
    code = min(folder.glob("*.py"), default=None)
    if code is not None or "auto_map" in config:
        where = code.name if code else "auto_map in config.json"
        raise ModelRejected(
            f"{folder} brings its own code ({where}), which is never run",
            hint="use a model whose architecture transformers has",
        )
    if not any(folder.glob("*.safetensors")):
        pickles = (path for kind in ("bin", "pt", "pth") for path in folder.glob(f"*.{kind}"))
        pickle = next(pickles, None)
        found = f"only {pickle.name}, a pickle, which is never read" if pickle else "no weights"
        raise ModelRejected(f"{folder} has {found}", hint="weights must be .safetensors")
    return config


def check_writer(folder: Path) -> None:
    """Refuse what `check_folder` refuses, and sentence encoders.

    Raises:
        ModelRejected: naming the offending file, or what the model is.
    """
    if not writes(check_folder(folder)):
        raise ModelRejected(
            f"{folder.name} is a sentence encoder, it writes no texts",
            hint="serve it, and ask it for embeddings",
        )


def default_device() -> torch.device:
    """Where models run, chosen here alone: the first CUDA GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_bf16() -> bool:
    """Whether bf16 is multiplied faster than fp32: on CUDA from Ampere on, AMX, AVX512-BF16."""
    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()


def resolve_precision(wanted: Precision) -> Dtype:
    """`auto` is bf16 where the hardware multiplies it fast, else fp32."""
    if wanted != "auto":
        return wanted
    return "bf16" if fast_bf16() else "fp32"
