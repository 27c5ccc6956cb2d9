"""Adapters made with stock peft, strong enough to change what a tiny random model says."""

import copy
import warnings
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, PrefixTuningConfig, PromptTuningConfig, get_peft_model
from transformers import AutoModelForCausalLM

from tunesmith.serving.protocol import GenerationRequest, Piece, Sampling, Stream

GREEDY = Sampling(temperature=0, max_tokens=12)

KINDS: dict[str, Any] = {
    "lora": LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=32, target_modules="all-linear"),
    "lora-attention": LoraConfig(
        task_type="CAUSAL_LM", r=8, lora_alpha=24, target_modules=["q_proj", "v_proj"]
    ),
    "prompt": PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=5),
    "prefix": PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=7),
}


def make_adapter(base: Path, folder: Path, *, kind: str, seed: int, scale: float = 0.2) -> Path:
    """Save an adapter with random weights: LoRA's of this scale, virtual tokens of 1."""
    torch.manual_seed(seed)
    model = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), copy.copy(KINDS[kind])
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                size = scale if "lora" in name else 1.0
                parameter.copy_(torch.randn(parameter.shape) * size)
    model.save_pretrained(folder)
    return folder


def reference(
    base: Path, adapter: Path | None, prompts: list[list[int]], *, max_new_tokens: int = 12
) -> list[list[int]]:
    """What transformers and peft generate greedily, one prompt at a time, in float32."""
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    answers: list[list[int]] = []
    for prompt in prompts:
        ids = torch.tensor([prompt])
        with warnings.catch_warnings():
            # transformers hands peft's prompt tuning positions, which it counts itself
            warnings.filterwarnings("ignore", message="Position ids are not supported")
            output = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=max_new_tokens,
                do_sample=False,
            )
        answers.append(output[0, len(prompt) :].tolist())
    return answers


def request(prompt: list[int], *, sampling: Sampling = GREEDY, **where: str) -> GenerationRequest:
    return GenerationRequest(prompt=tuple(prompt), sampling=sampling, **where)


def tokens_of(stream: Stream) -> list[int]:
    return [piece.token.id for piece in stream]


def by_choice(pieces: list[Piece]) -> dict[int, list[Piece]]:
    return {
        choice: [piece for piece in pieces if piece.choice == choice]
        for choice in sorted({piece.choice for piece in pieces})
    }
