"""The layers of a model, as adapters know them: what they are called, and which can have a pair."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from tunesmith.errors import ModelRejected
from tunesmith.modeling.methods.lora import Pairs


def sharable(model: PreTrainedModel) -> dict[str, nn.Linear]:
    """The linear layers beside which pairs can lie.

    A bank knows rows by their place in the step: the head and experts see only some of them.
    """
    head = model.get_output_embeddings()
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, nn.Linear) and layer is not head and ".experts." not in name
    }


@dataclass(frozen=True)
class ModelLayers:
    """Names of all layers, and (inputs, outputs) of those beside which pairs can lie."""

    names: frozenset[str]
    sizes: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, model: PreTrainedModel) -> "ModelLayers":
        """The model may be empty."""
        return cls(
            names=frozenset(name for name, _ in model.named_modules()),
            sizes={name: (x.in_features, x.out_features) for name, x in sharable(model).items()},
        )

    def check(self, pairs: Pairs) -> None:
        """Refuse pairs that do not fit the model.

        Raises:
            ModelRejected: naming the layer.
        """
        for name, (lora_a_RI, lora_b_OR) in pairs.layers.items():
            if name not in self.names:
                raise ModelRejected(f"the adapter changes {name}, which the model lacks")
            if name not in self.sizes:
                raise ModelRejected(
                    f"the adapter changes {name}, which cannot be shared in a batch",
                    hint="merge it into its base model and serve the result",
                )
            inputs, outputs = self.sizes[name]
            expected = (pairs.rank, inputs), (outputs, pairs.rank)
            found = tuple(lora_a_RI.shape), tuple(lora_b_OR.shape)
            if found != expected:
                raise ModelRejected(
                    f"the adapter does not fit {name}: it has {found}, {expected} fits",
                    hint="load it over the base model that it was trained on",
                )
