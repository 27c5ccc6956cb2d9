"""In float32 the engine's greedy tokens are those of transformers, whatever shares the batch."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    MambaConfig,
    MistralConfig,
    Qwen3Config,
    StableLmConfig,
)

from tests.conftest import make_tiny_model
from tests.serving.adapters import KINDS, make_adapter, reference, request, tokens_of
from tunesmith.errors import ModelRejected
from tunesmith.serving.config import EngineConfig
from tunesmith.serving.engine import TorchEngine
from tunesmith.serving.load import load_engine

# Small steps and many blocks, so that prompts are read in pieces while others are written.
SMALL = EngineConfig(precision="fp32", kv_tokens=4096, step_tokens=24, prefix_tokens=512)


def some_prompts(lengths: tuple[int, ...], *, seed: int = 0) -> list[list[int]]:
    choose = random.Random(seed)
    return [[choose.randrange(3, 300) for _ in range(length)] for length in lengths]


PROMPTS = some_prompts((1, 7, 30, 64, 65, 130, 200))
# Untied and with large weights: what the model says then hangs on all it has read. As it is made
# elsewhere it only repeats its last token, and every cache would pass.
LIVELY: dict[str, object] = {"tie_word_embeddings": False, "initializer_range": 0.3}

SIZES: dict[str, Any] = {
    **LIVELY,
    "vocab_size": 320,
    "hidden_size": 48,
    "intermediate_size": 96,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 2,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "lively", **LIVELY)


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {
        kind: make_adapter(base, folder / kind, kind=kind, seed=seed)
        for seed, kind in enumerate(KINDS)
    }


@pytest.fixture(scope="module")
def engine(base: Path, adapters: dict[str, Path]) -> Iterator[TorchEngine]:
    engine = load_engine(base, SMALL)
    for name, folder in adapters.items():
        engine.load_adapter(name, folder)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def expected(base: Path, adapters: dict[str, Path]) -> dict[str, list[list[int]]]:
    answers = {name: reference(base, folder, PROMPTS) for name, folder in adapters.items()}
    answers[""] = reference(base, None, PROMPTS)
    assert len({token for answer in answers[""] for token in answer}) > 30
    for name in adapters:
        assert answers[name] != answers[""], f"{name} changes nothing, so the test would show none"
    return answers


@pytest.mark.parametrize("name", ["", *KINDS])
def test_alone_and_again_from_known_prefixes(
    engine: TorchEngine, expected: dict[str, list[list[int]]], name: str
) -> None:
    for _ in range(2):
        answers = [tokens_of(engine.submit(request(p, adapter=name))) for p in PROMPTS]
        assert answers == expected[name]


def test_all_adapters_and_the_base_in_one_batch(
    engine: TorchEngine, expected: dict[str, list[list[int]]]
) -> None:
    streams = {
        (name, index): engine.submit(request(prompt, adapter=name, owner="batch"))
        for index, prompt in enumerate(PROMPTS)
        for name in expected
    }
    for (name, index), stream in streams.items():
        assert tokens_of(stream) == expected[name][index], (name, index)


def test_a_known_prefix_is_not_computed_again(engine: TorchEngine) -> None:
    prompt = some_prompts((100,), seed=7)[0]
    first = tokens_of(engine.submit(request(prompt)))
    before = engine.stats().num_cached_tokens
    assert tokens_of(engine.submit(request(prompt))) == first
    assert engine.stats().num_cached_tokens - before == 96  # whole chunks of 16
    tokens_of(engine.submit(request(prompt, owner="other")))
    tokens_of(engine.submit(request(prompt, adapter="lora")))
    assert engine.stats().num_cached_tokens - before == 96, "shared across owners or adapters"


FAMILIES: dict[str, dict[str, object]] = {
    "one key head": {"num_key_value_heads": 1},
    "no grouping": {"num_key_value_heads": 6, "attention_bias": True},
    "wide heads": {"head_dim": 32, "mlp_bias": True},
    "several end tokens": {"eos_token_id": list(range(2, 40))},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_of_llama(tmp_path: Path, family: str) -> None:
    folder = make_tiny_model(tmp_path / "model", **LIVELY, **FAMILIES[family])
    engine = load_engine(folder, SMALL)
    streams = [engine.submit(request(prompt)) for prompt in PROMPTS]
    assert [tokens_of(stream) for stream in streams] == reference(folder, None, PROMPTS)
    engine.close()


FEW = {"num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, Any] = {
    "sliding window": MistralConfig(**SIZES, **FEW, sliding_window=20),
    "windows in some layers": Gemma3TextConfig(
        **SIZES,
        **FEW,
        head_dim=16,
        sliding_window=70,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"],
    ),
    "norms in attention": Qwen3Config(**SIZES, **FEW, head_dim=16),
    "learned positions": GPT2Config(**SIZES, n_layer=3, n_head=6, n_positions=512),
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_other_architectures(tmp_path: Path, architecture: str) -> None:
    folder = make_tiny_model(tmp_path / "model")
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(ARCHITECTURES[architecture]).save_pretrained(folder)
    engine = load_engine(folder, SMALL)
    streams = [engine.submit(request(prompt)) for prompt in PROMPTS]
    assert [tokens_of(stream) for stream in streams] == reference(folder, None, PROMPTS)
    engine.close()


def test_an_architecture_with_other_state_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    AutoModelForCausalLM.from_config(MambaConfig(**SIZES)).save_pretrained(folder)
    with pytest.raises(ModelRejected, match="mamba has layers of kind linear_attention"):
        load_engine(folder, SMALL)


def test_an_attention_that_passes_nothing_on_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "model")
    AutoModelForCausalLM.from_config(StableLmConfig(**SIZES, **FEW)).save_pretrained(folder)
    with pytest.raises(ModelRejected, match="stablelm does not run with this engine"):
        load_engine(folder, SMALL)
