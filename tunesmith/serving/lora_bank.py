"""Where the LoRA adapters of a model lie: the same place in the bank of every layer."""

from collections.abc import Sequence

from torch import nn
from transformers import PreTrainedModel

from tunesmith.errors import ModelRejected
from tunesmith.modeling.methods.lora import Pairs
from tunesmith.serving.shared_linear import Routing, SharedLinear, lanes_for


class LoraBank:
    """Adds and removes adapters, and routes the rows of a step to theirs.

    Every place is as high as the largest rank so far; smaller pairs are padded with zeros, which
    add nothing.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model = model
        self._routing = Routing()
        self._layers: dict[str, SharedLinear] = {}
        self._places: list[bool] = []  # which are taken
        self._rank = 0

    def add(self, pairs: Pairs) -> int:
        """Put `pairs` beside their layers; returns their place."""
        if pairs.rank > self._rank:
            self._raise_rank(pairs.rank)
        for name in pairs.layers.keys() - self._layers.keys():
            self._wrap(name)
        place = self._free_place()
        rows = slice(place * self._rank, place * self._rank + pairs.rank)
        for name, (lora_a_RI, lora_b_OR) in pairs.layers.items():
            self._layers[name].lora_a_RI[rows] = lora_a_RI.to(self._layers[name].lora_a_RI)
            scaled_OR = lora_b_OR.float() * pairs.scaling
            self._layers[name].lora_b_RO[rows] = scaled_OR.T.to(self._layers[name].lora_b_RO)
        return place

    def remove(self, place: int) -> None:
        """Free a place that no running sequence uses."""
        rows = slice(place * self._rank, (place + 1) * self._rank)
        for layer in self._layers.values():
            layer.lora_a_RI[rows], layer.lora_b_RO[rows] = 0, 0
        self._places[place] = False

    def route(self, places: Sequence[int | None]) -> None:
        """Set which adapter each row of the next step uses, None for the base alone."""
        lanes = self._routing.lanes
        if lanes is None or lanes.places != places or lanes.rank != self._rank:
            self._routing.lanes = lanes_for(places, rank=self._rank, dtype=self._model.dtype)

    def bytes_for(self, pairs: Pairs) -> int:
        """Memory that `add` would take beyond what is held."""
        rank = max(pairs.rank, self._rank)
        num_places = len(self._places) + (all(self._places))
        names = pairs.layers.keys() | self._layers.keys()
        after = sum(_row_size(self._linear(name)) for name in names) * num_places * rank
        held = sum(_row_size(layer.base) * len(layer.lora_a_RI) for layer in self._layers.values())
        return (after - held) * self._model.dtype.itemsize

    def check(self, pairs: Pairs) -> None:
        """Refuse pairs that do not fit the model.

        Raises:
            ModelRejected: naming the layer.
        """
        for name, (lora_a_RI, lora_b_OR) in pairs.layers.items():
            try:
                layer = self._linear(name)
            except AttributeError:
                raise ModelRejected(f"the adapter changes {name}, which the model lacks") from None
            expected = (pairs.rank, layer.in_features), (layer.out_features, pairs.rank)
            found = tuple(lora_a_RI.shape), tuple(lora_b_OR.shape)
            if found != expected:
                raise ModelRejected(
                    f"the adapter does not fit {name}: it has {found}, {expected} fits",
                    hint="load it over the base model that it was trained on",
                )

    def _linear(self, name: str) -> nn.Linear:
        layer = self._model.get_submodule(name)
        layer = layer.base if isinstance(layer, SharedLinear) else layer
        if not isinstance(layer, nn.Linear):
            raise ModelRejected(f"the adapter changes {name}, which is no linear layer")
        # A bank knows rows by their place in the step: the head and experts see only some of them.
        if layer is self._model.get_output_embeddings() or ".experts." in name:
            raise ModelRejected(
                f"the adapter changes {name}, which cannot be shared in a batch",
                hint="merge it into its base model and serve the result",
            )
        return layer

    def _wrap(self, name: str) -> None:
        layer = SharedLinear(self._linear(name), self._routing)
        layer.resize(len(self._places) * self._rank)
        parent, _, child = name.rpartition(".")
        setattr(self._model.get_submodule(parent), child, layer)
        self._layers[name] = layer

    def _free_place(self) -> int:
        if all(self._places):
            self._places.append(False)
            for layer in self._layers.values():
                layer.resize(len(self._places) * self._rank)
        place = self._places.index(False)
        self._places[place] = True
        return place

    def _raise_rank(self, rank: int) -> None:
        """Spread the places for a larger rank."""
        for layer in self._layers.values():
            for name in ("lora_a_RI", "lora_b_RO"):
                old = getattr(layer, name)
                spread = old.new_zeros(len(self._places), rank, old.shape[1])
                if self._rank:
                    spread[:, : self._rank] = old.view(len(self._places), self._rank, -1)
                setattr(layer, name, spread.flatten(0, 1))
        self._rank = rank


def _row_size(layer: nn.Linear) -> int:
    return layer.in_features + layer.out_features
