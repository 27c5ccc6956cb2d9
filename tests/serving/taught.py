"""Tiny models of well-known families that were taught one answer by heart."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import LlamaForCausalLM

from tests.conftest import make_tiny_model
from tests.text.families import FAMILIES, codec_of, template_of
from tunesmith.text.conversation import Message

_MOST_STEPS = 400
_SHORT = 32


def make_taught_model(
    folder: Path, family: str, messages: Sequence[Message], *, tools: str, answer: str
) -> Path:
    """A model with the family's chat template that says `answer` to `messages`, greedily."""
    make_tiny_model(folder, eos_token_id=None)
    codec, kind = codec_of(family), FAMILIES[family]
    codec.tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(template_of(family), "utf-8")
    settings = {"eos_token": kind.eos_token, "bos_token": kind.bos_token or kind.eos_token}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))

    end = codec.tokenizer.token_to_id(kind.eos_token)
    said = [*codec.tokenizer.encode(answer, add_special_tokens=False).ids, end]
    prompt = codec.encode_prompt(messages, tools=tools)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two that share a busy core wait for each other most of the time
    _learn(model, prompt[-_SHORT:], said)  # most of it is learnt ten times as fast
    _learn(model, prompt, said)
    torch.set_num_threads(threads)
    model.save_pretrained(folder)
    return folder


def _learn(model: LlamaForCausalLM, prompt: list[int], said: list[int]) -> None:
    """Until each token of the answer is by far the likeliest."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    ids, wanted = torch.tensor([[*prompt, *said]]), torch.tensor(said)
    for _ in range(_MOST_STEPS):
        logits = model(ids, logits_to_keep=len(said) + 1).logits[0, :-1]
        loss = torch.nn.functional.cross_entropy(logits, wanted)
        if loss < 0.01:
            return
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raise AssertionError(f"not learnt: {loss}")
