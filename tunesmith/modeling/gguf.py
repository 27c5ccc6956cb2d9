"""A GGUF file -> a folder in Hugging Face layout: de-quantized weights, tokenizer, chat template.

transformers reads the weights and the vocabulary; what it leaves out is completed here: the chat
template, and pre-tokenizers that GGUF names but the reader takes for plain GPT-2.
"""

import json
from pathlib import Path
from typing import Any

import torch
from gguf import GGUFReader
from safetensors.torch import save_file
from tokenizers import Tokenizer, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from tunesmith.errors import ModelRejected

# GGUF's `tokenizer.ggml.pre` -> what the original tokenizer.json says, for byte-level BPE.
_DIGITS_ONE_BY_ONE = ("smollm", "starcoder", "refact", "command-r")


def convert_gguf(file: Path, *, into: Path) -> None:
    """Write `file`'s model into the folder `into` as bf16 safetensors.

    Raises:
        ModelRejected: not a GGUF file, or an architecture that cannot be converted.
    """
    fields = _read_fields(file)
    transformers_logging.disable_progress_bar()
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
    except (OSError, ValueError, KeyError, NotImplementedError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelRejected(f"{file.name}: this GGUF cannot be converted: {reason}") from error
    tokenizer.save_pretrained(into)
    _mend_pre_tokenizer(into / "tokenizer.json", str(fields.get("tokenizer.ggml.pre", "")))
    template = fields.get("tokenizer.chat_template")
    if template and not (into / "chat_template.jinja").exists():
        (into / "chat_template.jinja").write_text(str(template), "utf-8")
    _save_config(model, into)
    # Norms and embeddings fit bf16 as well as the 4- to 8-bit values that most of the file holds.
    tensors = {
        name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.named_parameters()
    }
    save_file(tensors, into / "model.safetensors", metadata={"format": "pt"})


def _read_fields(file: Path) -> dict[str, Any]:
    try:
        reader = GGUFReader(file)
        return {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, OSError, IndexError) as error:
        raise ModelRejected(f"{file.name} is not a readable GGUF file: {error}") from error


def _mend_pre_tokenizer(tokenizer_file: Path, kind: str) -> None:
    """Split digits one by one where the original does; the reader leaves only the GPT-2 split."""
    if kind not in _DIGITS_ONE_BY_ONE:
        return
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), tokenizer.pre_tokenizer]
    )
    tokenizer.save(str(tokenizer_file))


def _save_config(model: Any, into: Path) -> None:
    config = model.config.to_dict()
    for key in ("quantization_config", "_name_or_path"):
        config.pop(key, None)
    config["dtype"] = "bfloat16"
    config["architectures"] = [type(model).__name__]
    (into / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", "utf-8")
    generation = {
        key: config[key]
        for key in ("bos_token_id", "eos_token_id", "pad_token_id")
        if key in config
    }
    (into / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n", "utf-8")
