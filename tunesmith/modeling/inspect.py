"""What a model has and what each method would train (F93), without loading a weight."""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

from tunesmith.errors import ModelRejected
from tunesmith.modeling.config import FullConfig, LoraConfig
from tunesmith.modeling.load import check_writer
from tunesmith.modeling.methods import METHODS, trainable_parameters


@dataclass(frozen=True)
class ParameterCount:
    """Names and sizes of what a method trains.

    `total` counts the whole model, with what the method adds to it.
    """

    trainable: dict[str, int]
    total: int

    @property
    def num_trainable(self) -> int:
        """Trained values, the exact sum over `trainable`."""
        return sum(self.trainable.values())


def empty_model(folder: Path) -> PreTrainedModel:
    """The model of `folder` with shapes but no values (torch's meta device).

    Raises:
        ModelRejected: the folder is incomplete, could run code, or is of an architecture that is
            unknown or writes no texts.
    """
    check_writer(folder)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config)
    except (ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelRejected(f"{folder}: unknown architecture: {reason}") from error


def count_parameters(folder: Path, method: LoraConfig | FullConfig) -> ParameterCount:
    """What `method` would train on the model of `folder`.

    Raises:
        ModelRejected: the folder is incomplete or could run code.
        RecipeInvalid: the method does not fit the model.
    """
    model = empty_model(folder)
    METHODS[method.kind].apply(model, method, seed=0)
    trainable = {name: tensor.numel() for name, tensor in trainable_parameters(model).items()}
    return ParameterCount(trainable, total=sum(tensor.numel() for tensor in model.parameters()))


def low_rank_size(*, inputs: int, outputs: int, rank: int) -> int:
    """Trained values of one LoRA pair; 240,000 for 10,000 x 20,000 and rank 8 (F107)."""
    return rank * (inputs + outputs)
