"""A causal model as the engine reads it: one row of tokens of many sequences, attention by `Step`.

Axes: T tokens of a step, S sequences that get a token, D hidden size, V vocabulary.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tunesmith.serving import attention
from tunesmith.serving.attention import Step
from tunesmith.serving.layers import ModelLayers, sharable
from tunesmith.serving.shared_linear import Routing, SharedLinear


class Decoder:
    """What every decoder has, made from a loaded model, whose layers it takes over.

    Attributes:
        routing: which adapters the rows of the next step use.
        shared: the layers beside which adapters can lie, by their names in the model: the product
            that does for them, and their place in it.
        layers: what the model had.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.dtype, self.device = model.dtype, model.device
        self.routing = Routing()
        self.shared: dict[str, tuple[SharedLinear, int]] = {}
        self.layers = ModelLayers.of(model)

    def share(self, layers: Mapping[str, nn.Linear]) -> SharedLinear:
        """One product for layers that read the same inputs, by their names."""
        product = SharedLinear(list(layers.values()), self.routing)
        self.shared |= {name: (product, index) for index, name in enumerate(layers)}
        return product

    def weights(self) -> Iterator[Tensor]:
        """All weights, as the model had them."""
        for product in dict.fromkeys(product for product, _ in self.shared.values()):
            yield from product.base.weights()

    def __call__(
        self, tokens: Tensor, *, positions: Sequence[int], step: Step, last_rows: Sequence[int]
    ) -> Tensor:
        """Read ids [T], or embeddings [T, D], and store their keys and values by `step`.

        Returns the logits of `last_rows`, [S, V].
        """
        raise NotImplementedError


class StockDecoder(Decoder):
    """The model of transformers itself, with the engine's attention and products."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__(model)
        attention.register()
        model.set_attn_implementation(attention.PAGED)
        for name, layer in sharable(model).items():
            parent, _, child = name.rpartition(".")
            setattr(model.get_submodule(parent), child, self.share({name: layer}))
        # Off the mapped file, which the system lets go only as a whole.
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()
        self._model = model

    def weights(self) -> Iterator[Tensor]:
        """As `Decoder` says."""
        yield from super().weights()
        yield from self._model.parameters()

    def __call__(
        self, tokens: Tensor, *, positions: Sequence[int], step: Step, last_rows: Sequence[int]
    ) -> Tensor:
        """As `Decoder` says."""
        what = "inputs_embeds" if tokens.is_floating_point() else "input_ids"
        output = self._model(
            **{what: tokens[None]},
            position_ids=torch.tensor([positions], device=self.device),
            use_cache=False,
            logits_to_keep=torch.tensor(last_rows, dtype=torch.long, device=self.device),
            step=step,
        )
        return cast("Tensor", output.logits)[0]
