"""What serving a base model takes, read off its folder before anything is loaded. Torch-free."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tunesmith.errors import ModelRejected
from tunesmith.modeling.architectures import writes
from tunesmith.serving.config import EngineConfig

# Older architectures call the same things otherwise.
_NAMES = {
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "num_heads"),
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim"),
}

BATCH_TOKENS = 8192  # what a sentence encoder reads at once, padding included

LLAMA_KIN = ("llama", "mistral", "qwen2", "qwen3")  # `model_type`s that our own decoder reads
_EMBEDDINGS = ("emb", "wte", "wpe", "lm_head")  # parts of names
_NO_LINEAR = ("gpt2",)  # whose layers are transformers' Conv1D


@dataclass(frozen=True)
class ModelSize:
    """The figures of a base model that memory follows from.

    Attributes:
        num_parameters: of all weights in its files.
        num_narrow: of these, those that are kept in bf16 where a CPU computes in float32.
        num_packed: of these, those of an embedding that is the head too, and is held once more
            where products have a layout of their own.
        num_widest: of the largest product.
        is_bf16: whether all are stored so.
        states_per_token: numbers that the cache keeps of a token: keys and values of all layers.
        num_ids: size of the vocabulary.
        inner_size: the widest layer.
        file_bytes: the largest file of weights, mapped into memory until its last weight is taken.
    """

    num_parameters: int
    num_narrow: int
    num_packed: int
    num_widest: int
    is_bf16: bool
    states_per_token: int
    num_ids: int
    inner_size: int
    file_bytes: int


@dataclass(frozen=True)
class EncoderSize:
    """The figures of a sentence encoder.

    Attributes:
        num_parameters: of all weights.
        inner_size: the widest layer.
        max_tokens: the longest text that it reads.
        lower_case: whether texts are put into lower case before.
    """

    num_parameters: int
    inner_size: int
    max_tokens: int
    lower_case: bool


@dataclass(frozen=True)
class ServingPlan:
    """Bytes by cause, beyond what this process has now. The cache is made after the load."""

    weights: float
    load: float
    cache: float
    prefixes: float
    step: float

    @property
    def needed(self) -> float:
        """The most at once."""
        return self.weights + max(self.load, self.cache + self.prefixes + self.step)


def plan_folder(folder: Path, config: EngineConfig, *, number_bytes: int) -> ServingPlan:
    """Estimate what serving the model in `folder` takes; encoders have float32 and no cache.

    Raises:
        ModelRejected: a file is missing or damaged.
    """
    if not writes(_settings(folder)):
        return plan_encoding(read_encoder(folder))
    return plan_serving(read_size(folder), config, number_bytes=number_bytes)


def plan_serving(size: ModelSize, config: EngineConfig, *, number_bytes: int) -> ServingPlan:
    """Estimate what loading a base model takes, at `number_bytes` for each number.

    What products.py does: where a CPU computes in float32, layers that were stored in bf16 are so
    again once they are loaded, one after the other; where it computes in bf16, they are packed.

    `step` is the largest step: logits of every answer in float32 twice, and the widest layer's
    activations of all its rows, of which three are alive at once.
    """
    num_rows = config.step_tokens + config.max_sequences
    weights = size.num_parameters * number_bytes
    load = size.file_bytes
    if number_bytes == 2:
        weights += size.num_packed * 2
    elif size.is_bf16:
        # All widened while the file is there; then the widest product is joined, filled up,
        # narrowed and compared, in 4 + 4 + 2 + 4 bytes.
        most = weights + max(load, size.num_widest * 14)
        weights -= size.num_narrow * 2
        load = most - weights
    else:  # filled up is how it stays
        load += size.num_widest * 10
    return ServingPlan(
        weights=weights,
        load=load,
        cache=config.kv_tokens * size.states_per_token * number_bytes,
        prefixes=config.prefix_tokens * size.states_per_token * number_bytes,
        step=config.max_sequences * size.num_ids * 4 * 2
        + num_rows * size.inner_size * 3 * number_bytes,
    )


def plan_encoding(size: EncoderSize) -> ServingPlan:
    """Estimate what a sentence encoder takes in float32: activations as in `plan_serving`."""
    num_rows = max(BATCH_TOKENS, size.max_tokens)
    return ServingPlan(
        weights=size.num_parameters * 4,
        load=0,
        cache=0,
        prefixes=0,
        step=num_rows * size.inner_size * 3 * 4,
    )


def read_size(folder: Path) -> ModelSize:
    """The figures of the model in `folder`, by its config.json and the headers of its weights.

    Raises:
        ModelRejected: a file is missing or damaged.
    """
    config = _settings(folder)
    try:
        config = {**config, **cast("dict[str, Any]", config.get("text_config") or {})}
        heads = int(_value(config, "num_attention_heads"))
        hidden = int(_value(config, "hidden_size"))
        kv_heads = int(config.get("num_key_value_heads") or heads)
        head_size = int(config.get("head_dim") or hidden // heads)
        layers = int(_value(config, "num_hidden_layers"))
        table = int(config["vocab_size"]) * hidden
        is_kin = config.get("model_type") in LLAMA_KIN
        is_tied = is_kin and bool(config.get("tie_word_embeddings"))
        files = list(folder.glob("*.safetensors"))
        shapes = {
            name: tensor["shape"] for file in files for name, tensor in _tensors(file).items()
        }
        layers_are_linear = config.get("model_type") not in _NO_LINEAR
        return ModelSize(
            num_parameters=sum(map(math.prod, shapes.values())),
            num_narrow=sum(
                math.prod(shape)
                for name, shape in shapes.items()
                if len(shape) == 2 and (is_kin or (layers_are_linear and _is_layer(name)))
            ),
            num_packed=table if is_tied else 0,
            num_widest=max((math.prod(shape) for shape in shapes.values()), default=0),
            is_bf16=all(kinds_of_numbers(file) == {"BF16"} for file in files),
            states_per_token=2 * layers * kv_heads * head_size,
            num_ids=int(config["vocab_size"]),
            inner_size=int(_value(config, "intermediate_size", 4 * hidden)),
            file_bytes=largest_file(folder),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRejected(f"{folder.name} cannot be read: {error}") from error


def read_encoder(folder: Path) -> EncoderSize:
    """The figures of the sentence encoder in `folder`, by its settings and the headers of weights.

    Raises:
        ModelRejected: a file is missing or damaged.
    """
    config = _settings(folder)
    try:
        sentences = _optional(folder / "sentence_bert_config.json")
        limits = (
            config.get("max_position_embeddings"),
            _optional(folder / "tokenizer_config.json").get("model_max_length"),
        )
        longest = sentences.get("max_seq_length") or min(limit for limit in limits if limit)
        return EncoderSize(
            num_parameters=sum(map(count_numbers, folder.glob("*.safetensors"))),
            inner_size=int(_value(config, "intermediate_size", 4 * config["hidden_size"])),
            max_tokens=int(longest),
            lower_case=bool(sentences.get("do_lower_case")),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelRejected(f"{folder.name} cannot be read: {error}") from error


def _settings(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelRejected(f"{folder.name} cannot be read: {error}") from error


def _optional(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def largest_file(folder: Path) -> int:
    """Bytes of the largest file of weights."""
    return max((path.stat().st_size for path in folder.glob("*.safetensors")), default=0)


def _value(config: dict[str, Any], name: str, default: int | None = None) -> Any:
    found = next((config[each] for each in _NAMES[name] if config.get(each)), default)
    if found is None:
        raise KeyError(name)
    return found


def _is_layer(name: str) -> bool:
    """Whether a matrix of transformers' own model becomes a product of ours (layers.sharable)."""
    return ".experts." not in name and not any(part in name for part in _EMBEDDINGS)


def count_numbers(path: Path) -> int:
    """How many numbers a safetensors file holds, by its header.

    Raises:
        ValueError: it is none.
    """
    return sum(math.prod(tensor["shape"]) for tensor in _tensors(path).values())


def kinds_of_numbers(path: Path) -> set[str]:
    """The number formats of a safetensors file, such as BF16, by its header.

    Raises:
        ValueError: it is none.
    """
    return {tensor["dtype"] for tensor in _tensors(path).values()}


def _tensors(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        [length] = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if length > 100_000_000:
            raise ValueError(f"{path.name} is no safetensors file")
        header = json.loads(file.read(length))
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
