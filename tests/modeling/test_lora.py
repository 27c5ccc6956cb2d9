"""Adapters against stock PEFT, in both directions of trust: same numbers in, same numbers out."""

from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from tests.conftest import make_tiny_model
from tunesmith.errors import RecipeInvalid
from tunesmith.modeling.config import FullConfig, LoraConfig
from tunesmith.modeling.inspect import count_parameters, low_rank_size
from tunesmith.modeling.load import load_model
from tunesmith.modeling.methods import METHODS, full, lora, trainable_parameters

TOKENS = torch.arange(40)[None] % 300


def _random_adapter(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for tensor in trainable_parameters(model).values():
            tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.1)


@pytest.mark.parametrize(
    "targets", ["all-linear", "attention", "attention-min", ["gate_proj", "k_proj"]]
)
def test_adapter_loads_in_stock_peft_with_equal_logits(
    tiny_model: Path, tmp_path: Path, targets: str | list[str]
) -> None:
    config = LoraConfig(rank=4, alpha=6, targets=targets)
    model = load_model(tiny_model, dtype="fp32", packed=False)
    lora.apply(model, config, seed=1)
    _random_adapter(model)
    lora.save(model, config, tmp_path, base=tiny_model)

    stock = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_model), tmp_path)
    with torch.no_grad():
        ours, theirs = model(TOKENS).logits, stock(TOKENS).logits
        base = AutoModelForCausalLM.from_pretrained(tiny_model)(TOKENS).logits
    assert (ours - theirs).abs().max() <= 1e-5
    assert (ours - base).abs().max() > 1e-2, (
        "the adapter must do something for this to prove anything"
    )


def test_a_fresh_adapter_changes_nothing_and_the_base_is_never_touched(tiny_model: Path) -> None:
    model = load_model(tiny_model, dtype="fp32", packed=False)
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    with torch.no_grad():
        logits = model(TOKENS).logits
        lora.apply(model, LoraConfig(rank=4), seed=1)
        assert torch.equal(model(TOKENS).logits, logits)
    for name, tensor in before.items():
        now = dict(model.named_parameters()).get(name, None)
        now = (
            now if now is not None else model.get_parameter(name.replace(".weight", ".base.weight"))
        )
        assert torch.equal(now, tensor)


def test_restore_brings_back_what_save_wrote(tiny_model: Path, tmp_path: Path) -> None:
    config = LoraConfig(rank=4)
    first = load_model(tiny_model, dtype="fp32", packed=False)
    lora.apply(first, config, seed=1)
    _random_adapter(first)
    lora.save(first, config, tmp_path, base=tiny_model)
    second = load_model(tiny_model, dtype="fp32", packed=False)
    lora.apply(second, lora.read_config(tmp_path), seed=2)
    lora.restore(second, config, tmp_path)
    with torch.no_grad():
        assert torch.equal(first(TOKENS).logits, second(TOKENS).logits)


def test_dropout_path_equals_the_fused_one_without_drops(tiny_model: Path) -> None:
    model = load_model(tiny_model, dtype="fp32", packed=False)
    lora.apply(model, LoraConfig(rank=4, dropout=0.3), seed=1)
    _random_adapter(model)
    with torch.no_grad():
        model.eval()
        expected = model(TOKENS).logits
        model.train()
        dropped = model(TOKENS).logits
        for module in model.modules():
            if isinstance(module, lora.LoraLinear):
                module.dropout = 1e-12  # takes the dropout path and drops nothing
        kept = model(TOKENS).logits
    assert not torch.allclose(dropped, expected, atol=1e-4)
    torch.testing.assert_close(kept, expected, rtol=1e-4, atol=1e-5)


def test_unknown_target_names_what_there_is(tiny_model: Path) -> None:
    model = load_model(tiny_model, dtype="fp32", packed=False)
    with pytest.raises(RecipeInvalid, match="no layer quary_proj") as refusal:
        lora.apply(model, LoraConfig(targets=["quary_proj"]), seed=0)
    assert "q_proj" in refusal.value.hint


def test_rank_beyond_the_layer_is_refused(tiny_model: Path) -> None:
    model = load_model(tiny_model, dtype="fp32", packed=False)
    with pytest.raises(RecipeInvalid, match=r"exceeds 16.*k_proj"):
        lora.apply(model, LoraConfig(rank=17, targets=["k_proj"]), seed=0)


def test_counts_sum_exactly(tiny_model: Path) -> None:
    model = load_model(tiny_model, dtype="fp32", packed=False)
    num_base = sum(tensor.numel() for tensor in model.parameters())
    everything = count_parameters(tiny_model, FullConfig())
    assert everything.num_trainable == everything.total == num_base

    count = count_parameters(tiny_model, LoraConfig(rank=4, targets="attention-min"))
    assert count.num_trainable == 2 * (
        low_rank_size(inputs=48, outputs=48, rank=4) + low_rank_size(inputs=48, outputs=16, rank=4)
    )
    assert count.total == num_base + count.num_trainable
    assert all(name.endswith(("lora_a", "lora_b")) for name in count.trainable)


def test_low_rank_size_of_the_article() -> None:
    assert low_rank_size(inputs=10_000, outputs=20_000, rank=8) == 240_000


def test_full_result_is_a_complete_model(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model, dtype="fp32", packed=False)
    METHODS["full"].apply(model, FullConfig(), seed=0)
    _random_adapter(model)
    full.save(model, FullConfig(), tmp_path, base=tiny_model)
    stock = AutoModelForCausalLM.from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(stock(TOKENS).logits, model(TOKENS).logits)


def test_code_and_pickles_are_refused(tmp_path: Path) -> None:
    from tunesmith.errors import ModelRejected

    folder = make_tiny_model(tmp_path / "model")
    (folder / "modeling_evil.py").write_text("raise SystemExit('executed')")
    with pytest.raises(ModelRejected, match=r"its own code \(modeling_evil.py\)"):
        load_model(folder, dtype="fp32", packed=False)
    (folder / "modeling_evil.py").unlink()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelRejected, match="pickle"):
        load_model(folder, dtype="fp32", packed=False)
