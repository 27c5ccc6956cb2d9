"""A frozen linear layer with a trained low-rank pair beside it, as one autograd node.

Axes: T tokens, I inputs, O outputs, R rank.
"""

from typing import Any

import torch
from torch import Tensor


def lora_linear(
    inputs: Tensor,
    weight_OI: Tensor,
    bias_O: Tensor | None,
    lora_a_RI: Tensor,
    lora_b_OR: Tensor,
    scaling: float,
) -> Tensor:
    """`x W^T + bias + scaling * (x A^T) B^T`, gradients for x, A and B only.

    The low-rank part is added in place, so no second [T, O] (forward) or [T, I] (backward) tensor
    is made, and nothing but `x` and `x A^T` is kept. A and B may be float32 beside a bf16 weight:
    they are rounded once a call, and their gradients come back in their own dtype.
    """
    return _LoraLinear.apply(inputs, weight_OI, bias_O, lora_a_RI, lora_b_OR, scaling)


class _LoraLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight_OI: Tensor,
        bias_O: Tensor | None,
        lora_a_RI: Tensor,
        lora_b_OR: Tensor,
        scaling: float,
    ) -> Tensor:
        inputs_TI = inputs.reshape(-1, inputs.shape[-1])
        reduced_TR = inputs_TI @ lora_a_RI.to(inputs.dtype).T
        output_TO = torch.nn.functional.linear(inputs_TI, weight_OI, bias_O)
        output_TO.addmm_(reduced_TR, lora_b_OR.to(inputs.dtype).T, alpha=scaling)
        ctx.save_for_backward(inputs_TI, weight_OI, lora_a_RI, lora_b_OR, reduced_TR)
        ctx.scaling, ctx.shape = scaling, inputs.shape
        return output_TO.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        [grad] = grads
        inputs_TI, weight_OI, lora_a_RI, lora_b_OR, reduced_TR = ctx.saved_tensors
        grad_TO = grad.reshape(-1, grad.shape[-1])
        grad_reduced_TR = grad_TO @ (lora_b_OR * ctx.scaling).to(grad.dtype)
        grad_a_RI = (grad_reduced_TR.T @ inputs_TI).to(lora_a_RI.dtype)
        grad_b_OR = (grad_TO.T @ reduced_TR).to(lora_b_OR.dtype) * ctx.scaling
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            grad_TI = grad_TO @ weight_OI
            grad_TI.addmm_(grad_reduced_TR, lora_a_RI.to(grad.dtype))
            grad_inputs = grad_TI.view(ctx.shape)
        return grad_inputs, None, None, grad_a_RI, grad_b_OR, None
