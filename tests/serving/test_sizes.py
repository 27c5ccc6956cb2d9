"""What is read off a folder is what transformers makes of it."""

from pathlib import Path
from typing import Any

import pytest
import transformers

from tunesmith.serving.sizes import read_size

SIZES = {"vocab_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32}


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("Llama", {"num_key_value_heads": 2, "tie_word_embeddings": False}),
        ("Llama", {"num_key_value_heads": 2, "tie_word_embeddings": True}),
        ("Gemma", {"head_dim": 16}),  # whose config.json need not say that its head is tied
        ("GPT2", {}),  # which calls everything otherwise
    ],
)
def test_a_size_is_that_of_the_loaded_model(
    tmp_path: Path, family: str, more: dict[str, Any]
) -> None:
    config = getattr(transformers, f"{family}Config")(**SIZES, **more)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path)
    head = config.vocab_size * config.hidden_size if config.tie_word_embeddings else 0
    size = read_size(tmp_path)
    assert size.num_parameters == sum(each.numel() for each in model.parameters()) + head
    assert size.num_looked_up == 2 * config.vocab_size * config.hidden_size
    assert not size.is_bf16
    model.bfloat16().save_pretrained(tmp_path)
    assert read_size(tmp_path).is_bf16
    assert size.num_ids == 96
    kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or 8
    assert size.states_per_token == 2 * 2 * kv_heads * head_size
