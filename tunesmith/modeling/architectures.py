"""What a model does, by the name of its architecture. Torch-free."""

from collections.abc import Mapping
from typing import Any

_WRITING = ("ForCausalLM", "ForConditionalGeneration", "LMHeadModel")


def writes(config: Mapping[str, Any]) -> bool:
    """Whether the model of a config.json goes on with texts; a sentence encoder only reads them."""
    architectures = config.get("architectures") or [""]
    return architectures == [""] or str(architectures[0]).endswith(_WRITING)
