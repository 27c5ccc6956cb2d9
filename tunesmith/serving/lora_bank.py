"""Where the LoRA adapters of a model lie: the same place in the bank of every layer."""

from collections.abc import Sequence

from tunesmith.modeling.methods.lora import Pairs
from tunesmith.serving.decoder import Decoder
from tunesmith.serving.shared_linear import SharedLinear


class LoraBank:
    """Adds and removes adapters, and routes the rows of a step to theirs.

    Every place is as high as the largest rank so far; smaller pairs are padded with zeros, which
    add nothing. Layers beside which no adapter ever lay have no places.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._layers: set[SharedLinear] = set()  # beside which adapters lie
        self._places: list[bool] = []  # which are taken
        self._rank = 0

    def add(self, pairs: Pairs) -> int:
        """Put `pairs` beside their layers; returns their place."""
        place = self._free_place()
        self._rank = max(pairs.rank, self._rank)
        self._layers |= self._layers_of(pairs)
        for layer in self._layers:
            layer.resize(len(self._places), self._rank)
        for name, (lora_a_RI, lora_b_OR) in pairs.layers.items():
            layer, index = self._decoder.shared[name]
            scaled_OR = lora_b_OR.float() * pairs.scaling
            layer.put(place, index, lora_a_RI=lora_a_RI, lora_b_RO=scaled_OR.T)
        return place

    def remove(self, place: int) -> None:
        """Free a place that no running sequence uses."""
        for layer in self._layers:
            layer.clear(place)
        self._places[place] = False

    def route(self, places: Sequence[int | None]) -> None:
        """Set which adapter each row of the next step uses, None for the base alone."""
        self._decoder.routing.set(places)

    def bytes_for(self, pairs: Pairs) -> int:
        """Memory that `add` would take beyond what is held."""
        rank = max(pairs.rank, self._rank)
        num_places = len(self._places) + all(self._places)
        layers = self._layers | self._layers_of(pairs)
        return sum(layer.bytes_for(num_places, rank) - layer.held_bytes for layer in layers)

    def _layers_of(self, pairs: Pairs) -> set[SharedLinear]:
        return {self._decoder.shared[name][0] for name in pairs.layers}

    def _free_place(self) -> int:
        if all(self._places):
            self._places.append(False)
        place = self._places.index(False)
        self._places[place] = True
        return place
