"""AdamW in float32, whatever the dtype of the trained tensors."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from tunesmith.training.config import TrainingConfig

_MOMENTS = ("exp_avg", "exp_avg_sq")


class MasterAdamW:
    """AdamW over float32 master copies, to which bf16 tensors are set after every step (F149).

    Small updates vanish in bf16's 8 bits of precision, and so do small gradients summed over
    several batches: both are kept in float32. A float32 tensor is its own master.
    """

    def __init__(self, trainable: Mapping[str, Tensor], config: TrainingConfig) -> None:
        self._tensors = dict(trainable)
        self.masters = {name: _master(tensor) for name, tensor in trainable.items()}
        matrices = [master for master in self.masters.values() if master.ndim >= 2]
        others = [master for master in self.masters.values() if master.ndim < 2]
        self._adamw = torch.optim.AdamW(
            [
                {"params": group, "weight_decay": decay}
                for group, decay in ((matrices, config.weight_decay), (others, 0.0))
                if group
            ],
            lr=0.0,
            betas=(config.beta1, config.beta2),
            eps=config.epsilon,
            fused=True,
        )

    def step(self, *, learning_rate: float) -> None:
        """Move the masters, then the tensors, and forget the gradients."""
        for group in self._adamw.param_groups:
            group["lr"] = learning_rate
        self._adamw.step()
        self._adamw.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name, tensor in self._rounded():
                tensor.copy_(self.masters[name])

    def state(self) -> dict[str, Tensor]:
        """Everything a resume needs: moments, and masters of tensors that are rounded."""
        tensors = {f"master.{name}": self.masters[name].detach() for name, _ in self._rounded()}
        for name, master in self.masters.items():
            for moment, value in self._adamw.state[master].items():
                tensors[f"{moment}.{name}"] = value
        return tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over what `state` returned."""
        with torch.no_grad():
            for name, tensor in self._rounded():
                self.masters[name].copy_(tensors[f"master.{name}"])
                tensor.copy_(self.masters[name])
        for name, master in self.masters.items():
            if f"step.{name}" in tensors:
                self._adamw.state[master] = {
                    moment: tensors[f"{moment}.{name}"].clone().to(master.device)
                    for moment in (*_MOMENTS, "step")
                }

    def adopt(self) -> None:
        """Take over weights that were put into the tensors from outside."""
        with torch.no_grad():
            for name, tensor in self._rounded():
                self.masters[name].copy_(tensor)

    def _rounded(self) -> Iterator[tuple[str, Tensor]]:
        return (
            (name, tensor)
            for name, tensor in self._tensors.items()
            if self.masters[name] is not tensor
        )


def _master(tensor: Tensor) -> Tensor:
    if tensor.dtype == torch.float32:
        return tensor
    master = tensor.detach().float().requires_grad_()

    def take_gradient(rounded: Tensor) -> None:
        assert rounded.grad is not None
        gradient = rounded.grad.float()
        master.grad = gradient if master.grad is None else master.grad.add_(gradient)
        rounded.grad = None

    tensor.register_post_accumulate_grad_hook(take_gradient)
    return master
