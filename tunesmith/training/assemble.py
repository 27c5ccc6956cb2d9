"""Build everything a run needs, once. What is built here is passed on, never looked up."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedModel

from tunesmith.data.loader import TrainingBatches
from tunesmith.data.tokenize import TokenStore
from tunesmith.modeling.answer import ChatModel
from tunesmith.modeling.load import Dtype, load_model, resolve_precision
from tunesmith.modeling.methods import METHODS, Method, trainable_parameters
from tunesmith.training.config import TrainConfig
from tunesmith.training.objectives import OBJECTIVES, Objective, check_head
from tunesmith.training.optimizer import MasterAdamW
from tunesmith.training.replicas import SingleReplica
from tunesmith.training.samples import make_chat
from tunesmith.training.schedule import Schedule, make_schedule


@dataclass(frozen=True)
class Parts:
    """The built parts of a training run; `chat` is None where the recipe asks for no samples."""

    config: TrainConfig
    base: Path
    model: PreTrainedModel
    method: Method
    objective: Objective
    optimizer: MasterAdamW
    schedule: Schedule
    replicas: SingleReplica
    batches: TrainingBatches
    validation: tuple[TokenStore, NDArray[np.int64]]
    chat: ChatModel | None
    total_steps: int


def assemble(
    config: TrainConfig,
    *,
    base: Path,
    batches: TrainingBatches,
    validation: tuple[TokenStore, NDArray[np.int64]],
    first_step: int = 0,
) -> Parts:
    """Load the base model, make the method's part trainable, build optimizer and schedule.

    `first_step` is the step an extended run continues from; its schedule begins there.

    Raises:
        ModelRejected: the base cannot be loaded, or has a head that the loss does not compute.
        RecipeInvalid: the method does not fit the model.
    """
    torch.manual_seed(config.seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    # It would fill every torch.empty: pure cost here. The stubs miss it, as torch adds it late.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    dtype: Dtype = resolve_precision(config.precision)
    model = load_model(base, dtype=dtype, packed=True)
    check_head(model)
    method = METHODS[config.method.kind]
    method.apply(model, config.method, seed=config.seed)
    model.train()
    total_steps = config.training.epochs * batches.steps_per_epoch
    return Parts(
        config=config,
        base=base,
        model=model,
        method=method,
        objective=OBJECTIVES["sft"],
        optimizer=MasterAdamW(trainable_parameters(model), config.training),
        schedule=make_schedule(config, total_steps=total_steps, first_step=first_step),
        replicas=SingleReplica(),
        batches=batches,
        validation=validation,
        chat=make_chat(config, model, base),
        total_steps=total_steps,
    )
