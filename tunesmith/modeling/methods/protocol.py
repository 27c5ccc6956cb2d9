"""What a training method has to offer. A new one is a file here and a line in the table."""

from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn
from transformers import PreTrainedModel


class Method(Protocol):
    """Makes the right part of a model trainable, and turns that part into files and back."""

    output_kind: str
    """What a finished run holds: "adapter" (beside its base) or "model" (complete weights)."""

    def apply(self, model: PreTrainedModel, config: Any, *, seed: int) -> None:
        """Change `model` in place so that exactly the trained tensors require gradients.

        Raises:
            RecipeInvalid: the method does not fit the model.
        """
        ...

    def save(self, model: PreTrainedModel, config: Any, folder: Path, *, base: Path) -> None:
        """Write the trained part into `folder`, in the format stock libraries load."""
        ...

    def restore(self, model: PreTrainedModel, config: Any, folder: Path) -> None:
        """Load what `save` wrote into a model that `apply` has prepared."""
        ...


def trainable_parameters(model: nn.Module) -> dict[str, Tensor]:
    """The tensors that receive gradients, by name, in the order of the model."""
    return {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
