"""How long a run will take: the operations it needs over the machine's measured rate.

Operations of a pass over T tokens, of which N are trained, in sequences of lengths L, for a body of
P parameters with hidden size D and vocabulary V: 2 P T for the body, 2 D V N for the output head,
2 D L^2 a layer and sequence for causal attention. A backward pass takes as much again for the
gradients of inputs, and once more for those of weights, which LoRA does without.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, PretrainedConfig

from tunesmith.data.tokenize import TokenStore, count_trained
from tunesmith.modeling.load import DTYPES, Dtype, default_device
from tunesmith.training.job import TrainJob
from tunesmith.training.plan import TrainingPlan, first_step

# What the loop reaches of the rate of a bare matrix product, the rest being norms, softmax and
# memory traffic. Measured with SmolLM2-135M, LoRA, bf16, on a 2-core Zen 5: 0.36.
_EFFICIENCY = 0.33
_SECONDS_MEASURED = 0.3
_ROWS_MEASURED = 1024


def estimate_seconds(
    job: TrainJob, plan: TrainingPlan, *, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds of training and validation, right to about a factor of two."""
    model = AutoConfig.from_pretrained(Path(job.base.folder), local_files_only=True)
    num_steps = plan.total_steps - first_step(job)
    epochs = num_steps / plan.batches.steps_per_epoch
    every = job.config.training.evaluate_every
    num_validations = epochs if every == "epoch" else num_steps / every
    passes = 3 if job.config.method.kind == "full" else 2
    size = _body_size(plan, model)
    training = _operations(model, size, plan.examples.store, plan.examples.train)
    validation = _operations(model, size, *plan.validation)
    operations = passes * epochs * training + num_validations * validation
    return operations / (_EFFICIENCY * _matrix_rate(model, plan.dtype, clock=clock))


def _body_size(plan: TrainingPlan, model: PretrainedConfig) -> int:
    """Parameters in matrix products: all but the embeddings."""
    tables = 1 if model.tie_word_embeddings else 2
    return plan.parameters.total - tables * model.vocab_size * model.hidden_size


def _operations(
    model: PretrainedConfig, body_size: int, store: TokenStore, indices: NDArray[np.int64]
) -> float:
    """Floating-point operations of one forward pass over the examples `indices`."""
    lengths = np.diff(store.starts)[indices].astype(np.float64)
    num_trained = float(count_trained(store)[indices].sum())
    hidden = model.hidden_size
    return (
        2 * body_size * float(lengths.sum())
        + 2 * hidden * model.vocab_size * num_trained
        + 2 * hidden * model.num_hidden_layers * float((lengths**2).sum())
    )


def _matrix_rate(model: PretrainedConfig, dtype: Dtype, *, clock: Callable[[], float]) -> float:
    """Operations a second of a product at the shapes of this model's feed-forward layer."""
    hidden = model.hidden_size
    inner = getattr(model, "intermediate_size", None) or 4 * hidden
    options = {"dtype": DTYPES[dtype], "device": default_device()}
    rows, weight = (
        torch.ones(_ROWS_MEASURED, hidden, **options),
        torch.ones(inner, hidden, **options),
    )
    torch.nn.functional.linear(rows, weight)  # the first call chooses a kernel
    num_done, begun = 0, clock()
    while (seconds := clock() - begun) < _SECONDS_MEASURED:
        float(torch.nn.functional.linear(rows, weight)[0, 0])  # reading waits for a GPU
        num_done += 1
    return num_done * 2 * _ROWS_MEASURED * hidden * inner / seconds
