"""What a step minimizes: a sum over trained tokens. One literal table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tunesmith.data.loader import PackedBatch
from tunesmith.errors import ModelRejected
from tunesmith.modeling.kernels.loss import linear_cross_entropy


@dataclass(frozen=True)
class Scored:
    """Sums over the trained tokens of a batch: the loss to minimize, tokens predicted right."""

    loss: Tensor
    num_correct: Tensor


Objective = Callable[[PreTrainedModel, PackedBatch], Scored]


def next_token_loss(model: PreTrainedModel, batch: PackedBatch) -> Scored:
    """Sum over the batch's trained tokens of -log p(token | what comes before it), in nats."""
    hidden_ND, targets_N = _predictors(model, batch)
    return Scored(*linear_cross_entropy(hidden_ND, _head_weight(model), targets_N))


OBJECTIVES: Mapping[str, Objective] = {"sft": next_token_loss}


@dataclass(frozen=True)
class Measured:
    """Sums over trained tokens: loss in nats, tokens predicted right, tokens."""

    loss: float
    num_correct: int
    num_trained_tokens: int


def measure(model: PreTrainedModel, batch: PackedBatch) -> Measured:
    """Loss and next-token hits of one batch, without gradients."""
    with torch.no_grad():
        scored = next_token_loss(model, batch)
    return Measured(float(scored.loss), int(scored.num_correct), batch.num_trained_tokens)


def _predictors(model: PreTrainedModel, batch: PackedBatch) -> tuple[Tensor, Tensor]:
    """Last hidden states where a trained token is predicted, [N, D], and those tokens, [N]."""
    token_ids_T, position_ids_T, positions_N, targets_N = (
        torch.from_numpy(array).to(model.device)
        for array in (
            batch.token_ids_T,
            batch.position_ids_T,
            batch.predictor_positions_N,
            batch.targets_N,
        )
    )
    output = model.base_model(
        input_ids=token_ids_T[None],
        position_ids=position_ids_T[None],
        sequence_lengths=batch.lengths,
        use_cache=False,
    )
    return output.last_hidden_state[0, positions_N], targets_N


def _head_weight(model: PreTrainedModel) -> Tensor:
    head = model.get_output_embeddings()
    assert isinstance(head, nn.Linear), "check_head refuses any other"
    return head.weight


def check_head(model: PreTrainedModel) -> None:
    """Refuse output heads that the fused loss does not compute.

    Raises:
        ModelRejected: the head has a bias or is no linear layer, or the model rescales or caps its
            logits.
    """
    head = model.get_output_embeddings()
    config = model.config.get_text_config()
    rescaled = [
        name
        for name, neutral in (
            ("final_logit_softcapping", None),
            ("logit_scale", 1),
            ("logits_scaling", 1),
        )
        if getattr(config, name, None) not in (None, neutral)
    ]
    if rescaled or not isinstance(head, nn.Linear) or head.bias is not None:
        what = rescaled[0] if rescaled else "an output head that is not a product alone"
        raise ModelRejected(
            f"{type(model).__name__} has {what}, which the training loss does not compute"
        )
