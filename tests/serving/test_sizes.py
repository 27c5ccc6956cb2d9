"""What is read off a folder is what transformers makes of it, and what an engine takes."""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
import transformers

from tests.conftest import make_tiny_model
from tests.forks import run_forked
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.load import load_engine
from tunesmith.serving.memory import giving_back
from tunesmith.serving.sizes import plan_serving, read_size

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
    size = read_size(tmp_path)
    assert size.num_parameters == sum(each.numel() for each in model.parameters())
    assert not size.is_bf16
    model.bfloat16().save_pretrained(tmp_path)
    assert read_size(tmp_path).is_bf16
    assert size.num_ids == 96
    kv_heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or 8
    assert size.states_per_token == 2 * 2 * kv_heads * head_size


BESIDE = 60_000_000  # tokenizer and what is compiled: the plan of a process has room for that
CONFIG = EngineConfig(precision="fp32", kv_tokens=4096, prefix_tokens=0, max_sequences=8)
FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {"num_key_value_heads": 4, "tie_word_embeddings": True},
    "GPTNeoX": {},
    "GPT2": {},
}


@pytest.mark.parametrize("numbers", [torch.bfloat16, torch.float32], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_planned_is_what_is_held(tmp_path: Path, family: str, numbers: torch.dtype) -> None:
    folder = make_tiny_model(tmp_path / "model")
    sizes = {"vocab_size": 8192, "num_hidden_layers": 4, "num_attention_heads": 8}
    sizes |= {"hidden_size": 512, "intermediate_size": 2048}
    config = getattr(transformers, f"{family}Config")(**sizes, **FAMILIES[family])
    model = transformers.AutoModelForCausalLM.from_config(config).to(numbers)
    model.save_pretrained(folder)
    check_plan(folder)


def check_plan(folder: Path) -> None:
    """The most at once and what stays, as the system counts, are in the plan and not far below."""
    plan = plan_serving(read_size(folder), CONFIG, number_bytes=4)
    found = run_forked(_print_growth, str(folder), environment={**os.environ})
    assert found.code == 0, found.err
    most, stays = map(int, found.out.split()[-2:])
    assert 0.6 * plan.needed < most < plan.needed + BESIDE
    held = plan.weights + plan.cache
    assert 0.6 * held < stays < held + plan.step + BESIDE


def _print_growth() -> None:
    """Load the model in a folder, in a process that has loaded one before."""
    folder = Path(sys.argv[1])
    with TemporaryDirectory() as other:
        load_engine(make_tiny_model(Path(other)), CONFIG).close()
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is what is held now
    before = _kilobytes("VmRSS")
    with giving_back():
        engine = load_engine(folder, CONFIG)
    print((_kilobytes("VmHWM") - before) * 1024, (_kilobytes("VmRSS") - before) * 1024)
    engine.close()


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])
