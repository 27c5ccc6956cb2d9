"""Texts -> vectors of length 1, by a sentence encoder in the layout of sentence-transformers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import AutoModel
from transformers.utils import logging as transformers_logging

from tunesmith.errors import ModelRejected, RequestRejected
from tunesmith.modeling.load import check_folder, default_device
from tunesmith.serving.memory import check_room
from tunesmith.serving.sizes import BATCH_TOKENS, plan_encoding, read_encoder

_MODULES = Path("modules.json")
_POOLING = Path("1_Pooling/config.json")
_OFFERED_MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class Cut:
    """An input that was longer than the model reads: only its beginning counts."""

    index: int
    num_tokens_given: int
    num_tokens_read: int


@dataclass(frozen=True)
class Vectors:
    """Vectors in the order of their texts, [N][D]; how many tokens were read, and what was cut."""

    values: list[list[float]]
    num_tokens: int
    cut: list[Cut]


class Encoder:
    """A sentence encoder in memory. Axes: B texts, T tokens, D values of a vector.

    Raises:
        ModelRejected: it cannot be loaded, or makes its vectors in a way that is not offered.
        NotEnoughMemory: it does not fit beside what is in memory.
    """

    def __init__(self, folder: Path) -> None:
        check_folder(folder)
        self._pool = _POOLINGS[_pooling(folder)]
        size = read_encoder(folder)
        check_room(plan_encoding(size).needed, what=f"serving {folder.name}")
        self.max_tokens = size.max_tokens
        self._lower_case = size.lower_case
        transformers_logging.disable_progress_bar()
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            model: Any = AutoModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
            )
        except Exception as error:  # tokenizers raises nothing more exact
            reason = str(error).strip().splitlines()[0]
            raise ModelRejected(f"{folder}: the encoder cannot be loaded: {reason}") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.max_tokens)
        self._model = model.eval().to(default_device())
        self.num_values: int = self._model.config.hidden_size

    def encode(self, inputs: Sequence[str | Sequence[int]]) -> Vectors:
        """The vectors of texts, or of tokens as this model's tokenizer makes them.

        What is longer than `max_tokens` is cut there. A text keeps the tokens that end it.

        Raises:
            RequestRejected: an input is empty or has unknown tokens.
        """
        read = [self._read(each, index) for index, each in enumerate(inputs)]
        ids = [tokens for tokens, _ in read]
        values: dict[int, list[float]] = {}
        for chosen in _batches(ids):
            vectors_BD = self._vectors([ids[index] for index in chosen])
            values.update(zip(chosen, vectors_BD.tolist(), strict=True))
        return Vectors(
            [values[index] for index in range(len(ids))],
            num_tokens=sum(map(len, ids)),
            cut=[
                Cut(index, num_tokens_given=whole, num_tokens_read=len(tokens))
                for index, (tokens, whole) in enumerate(read)
                if whole > len(tokens)
            ],
        )

    def _read(self, given: str | Sequence[int], index: int) -> tuple[Sequence[int], int]:
        """The tokens that are read of an input, and how many it has."""
        if not given:
            raise RequestRejected(f"input {index} is empty")
        if not isinstance(given, str):
            if not all(0 <= token < self._model.config.vocab_size for token in given):
                raise RequestRejected(
                    f"input {index} has unknown tokens",
                    hint="give the text, or tokens of this model's own tokenizer",
                )
            return given[: self.max_tokens], len(given)
        found = self._tokenizer.encode(given.lower() if self._lower_case else given)
        num_special = self._tokenizer.num_special_tokens_to_add(is_pair=False)
        num_cut = sum(len(rest) - num_special for rest in found.overflowing)
        return found.ids, len(found.ids) + num_cut

    @torch.inference_mode()
    def _vectors(self, ids: Sequence[Sequence[int]]) -> Tensor:
        """Vectors of length 1, [B, D]."""
        longest = max(map(len, ids))
        device = self._model.device
        ids_BT = torch.tensor([[*each, *[0] * (longest - len(each))] for each in ids])
        seen_BT = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in ids])
        seen_BT = seen_BT.to(device)
        output = self._model(input_ids=ids_BT.to(device), attention_mask=seen_BT)
        pooled_BD = self._pool(output.last_hidden_state, seen_BT)
        return torch.nn.functional.normalize(pooled_BD, dim=1)


def _batches(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """Indices of texts of about one length, up to `BATCH_TOKENS` together with their padding."""
    batches: list[list[int]] = []
    for index in sorted(range(len(ids)), key=lambda index: len(ids[index])):
        if batches and (len(batches[-1]) + 1) * len(ids[index]) <= BATCH_TOKENS:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _mean(states_BTD: Tensor, seen_BT: Tensor) -> Tensor:
    return (states_BTD * seen_BT[:, :, None]).sum(dim=1) / seen_BT.sum(dim=1, keepdim=True)


def _first(states_BTD: Tensor, seen_BT: Tensor) -> Tensor:
    return states_BTD[:, 0]


_POOLINGS: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"mean": _mean, "cls": _first}


def _pooling(folder: Path) -> str:
    """How the encoder in `folder` makes one state of many, a key of `_POOLINGS`.

    Raises:
        ModelRejected: it does so in a way that is not offered, or does more with its states.
    """
    try:
        modules = json.loads(_text(folder / _MODULES, default="[]"))
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        found = json.loads(_text(folder / _POOLING, default="{}"))
        # sentence-transformers wrote a switch for each way before it wrote the name of one.
        switches = [
            name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
            for name, value in found.items()
            if name.startswith("pooling_mode_") and value is True
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelRejected(f"{folder.name}: how it pools cannot be read: {error}") from error
    more = [kind for kind in kinds if kind not in _OFFERED_MODULES]
    if more:
        raise ModelRejected(f"{folder.name} has a layer {more[0]}, which is not served")
    chosen = str(found.get("pooling_mode") or "+".join(switches) or "mean")
    if chosen not in _POOLINGS:
        raise ModelRejected(
            f"{folder.name} pools its states by {chosen}; served are {', '.join(_POOLINGS)}"
        )
    return chosen


def _text(path: Path, *, default: str) -> str:
    return path.read_text("utf-8") if path.is_file() else default
