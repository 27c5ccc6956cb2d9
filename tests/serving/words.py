"""Adapters that were taught to say one word, whatever they are asked."""

from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Message

QUESTIONS = [f"question {number}" for number in range(8)]


def teach_word(base: Path, folder: Path, *, word: str, max_steps: int = 400) -> Path:
    """Train an adapter of `base` until it answers `QUESTIONS` with `word`, and save it.

    Raises:
        AssertionError: it does not learn it.
    """
    torch.manual_seed(0)
    codec = TextCodec.from_folder(base)
    config = LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=16, target_modules="all-linear")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), config)
    prompts = [codec.encode_prompt([Message("user", question)]) for question in QUESTIONS]
    answer = [*codec.encode_text(word), codec.end_ids[0]]
    longest = max(map(len, prompts)) + len(answer)
    rows = [prompt + answer for prompt in prompts]
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    labels = torch.full_like(ids, -100)
    for index, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        labels[index, len(prompt) : len(row)] = ids[index, len(prompt) : len(row)]
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    for _ in range(max_steps):
        loss = model(input_ids=ids, labels=labels).loss
        if float(loss.detach()) < 0.02:
            break
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    last = float(loss.detach())
    assert last < 0.1, f"{word} is not learned: loss {last:.2f}"
    model.save_pretrained(folder)
    return folder
