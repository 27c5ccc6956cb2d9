"""One optimizer step: the loss is what the plain formula says, however examples are packed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, PreTrainedModel

from tests.training import runs as small
from tunesmith.data.loader import PackedBatch, pack
from tunesmith.errors import ModelRejected, TrainingDiverged
from tunesmith.service import runs
from tunesmith.store.home import Home
from tunesmith.training.assemble import Parts, assemble
from tunesmith.training.loop import train_step
from tunesmith.training.objectives import Scored, check_head, measure, next_token_loss
from tunesmith.training.plan import plan_training

World = tuple[Home, Path]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return small.make_home(tmp_path_factory.mktemp("step"))


def _parts(world: World, **changes: object) -> Parts:
    from datetime import datetime

    home, base = world
    values = small.recipe(base, **{"precision": "fp32", "method": {"dropout": 0.0}, **changes})
    job = runs.prepare_job(home, runs.recipe_of(values), now=datetime(2026, 1, 1))
    plan = plan_training(job, runs=home.runs, emit=lambda event: None)
    return assemble(job.config, base=base, batches=plan.batches, validation=plan.validation)


def test_packed_loss_is_the_sum_of_each_example_alone(world: World) -> None:
    parts = _parts(world)
    model, store = parts.model.eval(), parts.batches.store
    indices = np.array([3, 0, 7, 5])
    stock = AutoModelForCausalLM.from_pretrained(world[1])
    expected, hits = 0.0, 0
    for index in indices:
        token_ids, trained = store.example(int(index))
        tokens = torch.tensor(np.array(token_ids), dtype=torch.long)
        with torch.no_grad():
            logits = stock(tokens[None]).logits[0, :-1]
        wanted = torch.tensor(np.array(trained)[1:])
        expected += float(F.cross_entropy(logits[wanted], tokens[1:][wanted], reduction="sum"))
        hits += int((logits.argmax(-1) == tokens[1:])[wanted].sum())
    batch = pack(store, indices)
    with torch.no_grad():
        assert float(next_token_loss(model, batch).loss) == pytest.approx(expected, rel=1e-5)
    assert measure(model, batch).loss == pytest.approx(expected, rel=1e-5)
    assert measure(model, batch).num_correct == hits


def test_accumulated_small_batches_equal_one_large_batch(world: World) -> None:
    large = _parts(world, training={"batch_size": 8, "gradient_accumulation": 1})
    accumulated = _parts(world, training={"batch_size": 2, "gradient_accumulation": 4})
    for step in range(3):
        one, many = train_step(large, step), train_step(accumulated, step)
        assert one.num_trained_tokens == many.num_trained_tokens
        assert many.loss == pytest.approx(one.loss, rel=1e-4)
        assert many.accuracy == pytest.approx(one.accuracy, abs=0.01)
        assert many.grad_norm == pytest.approx(one.grad_norm, rel=1e-3)


def test_training_lowers_the_loss_and_leaves_the_base_alone(world: World) -> None:
    parts = _parts(world)
    frozen = {n: t.clone() for n, t in parts.model.named_parameters() if not t.requires_grad}
    losses = [train_step(parts, step).loss for step in range(15)]
    assert np.mean(losses[-3:]) < 0.95 * np.mean(losses[:3])
    for name, tensor in parts.model.named_parameters():
        if name in frozen:
            assert torch.equal(tensor, frozen[name])


def test_a_loss_that_is_no_number_makes_no_update(world: World) -> None:
    parts = _parts(world)
    before = {name: tensor.clone() for name, tensor in parts.optimizer.masters.items()}
    nan = float("nan")

    def broken_loss(model: PreTrainedModel, batch: PackedBatch) -> Scored:
        scored = next_token_loss(model, batch)
        return replace(scored, loss=scored.loss * nan)

    broken = replace(parts, objective=broken_loss)
    with pytest.raises(TrainingDiverged, match="step 3: loss nan"):
        train_step(broken, 2)
    for name, tensor in parts.optimizer.masters.items():
        assert torch.equal(tensor, before[name])


def test_clipping_bounds_the_update_but_reports_the_norm(world: World) -> None:
    free = train_step(_parts(world, training={"max_grad_norm": 0.0}), 0)
    clipped = train_step(_parts(world, training={"max_grad_norm": 1e-3}), 0)
    assert clipped.grad_norm == pytest.approx(free.grad_norm)


def test_heads_that_the_loss_does_not_compute_are_refused(world: World) -> None:
    model = _parts(world).model
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(ModelRejected, match="final_logit_softcapping"):
        check_head(model)
