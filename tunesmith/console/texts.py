"""Texts that the console shows and other packages hold: what settings, findings, models are."""

from collections.abc import Iterator

from tunesmith.data.quality import MEANINGS
from tunesmith.modeling.catalog import CATALOG
from tunesmith.service.recipe_fields import list_fields, list_methods
from tunesmith.serving.engines import ENGINES
from tunesmith.training.presets import PRESETS
from tunesmith.training.saving import NEEDS


def texts_of_settings() -> Iterator[str]:
    """Every one-line meaning that the training form shows."""
    for preset in PRESETS.values():
        yield preset.meaning
    yield from NEEDS.values()
    for method in list_methods():
        yield method.meaning
        for field in list_fields(method=method.kind, model="smollm2-135m"):
            if field.meaning:
                yield field.meaning


def texts_of_models() -> Iterator[str]:
    """What base models are, and the engines that serve them."""
    for entry in CATALOG.values():
        yield entry.summary
    for engine in ENGINES.values():
        yield engine.summary


def texts_of_findings() -> Iterator[str]:
    """What may be wrong with data, and what that means."""
    for kind, meaning in MEANINGS.items():
        yield kind
        yield meaning
