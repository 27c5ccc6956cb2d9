"""The family of methods: one literal table."""

from collections.abc import Mapping

from tunesmith.modeling.methods import full, lora
from tunesmith.modeling.methods.protocol import Method, trainable_parameters

METHODS: Mapping[str, Method] = {"lora": lora, "full": full}

__all__ = ["METHODS", "Method", "trainable_parameters"]
