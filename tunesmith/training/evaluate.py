"""Validation during training."""

from tunesmith.data.loader import in_order
from tunesmith.events import Evaluated
from tunesmith.training.assemble import Parts
from tunesmith.training.objectives import measure


def evaluate(parts: Parts, *, step: int) -> Evaluated:
    """Loss and next-token accuracy over all validation examples, every trained token alike."""
    store, indices = parts.validation
    parts.model.eval()
    batches = in_order(store, indices, batch_size=parts.config.training.batch_size)
    measured = [measure(parts.model, batch) for batch in batches]
    parts.model.train()
    num_tokens = sum(part.num_trained_tokens for part in measured)
    return Evaluated(
        step=step,
        loss=sum(part.loss for part in measured) / num_tokens,
        accuracy=sum(part.num_correct for part in measured) / num_tokens,
        num_trained_tokens=num_tokens,
    )
