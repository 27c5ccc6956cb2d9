"""How several copies of the model act as one; here there is one. DDP and FSDP come in its place."""

from collections.abc import Iterable

import torch
from torch import Tensor


class SingleReplica:
    """One process, one copy: sums are already complete."""

    count = 1

    def sum(self, value: float) -> float:
        """Sum of `value` over all replicas."""
        return value

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of `loss` to those of the step."""
        loss.backward()

    def clip_grad_norm(self, parameters: Iterable[Tensor], max_norm: float) -> float:
        """Scale gradients down to `max_norm` (0: leave them); return their norm before that."""
        limit = max_norm if max_norm > 0 else float("inf")
        return float(torch.nn.utils.clip_grad_norm_(parameters, limit))
