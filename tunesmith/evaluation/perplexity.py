"""How well a model foretells text: the exponential of the mean loss per token, in nats."""

import gc
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tunesmith.modeling.answer import ChatModel, load_chat_model
from tunesmith.modeling.load import Precision
from tunesmith.text.conversation import Example
from tunesmith.text.encoded import EncodedExample, truncate

_MAX_TOKENS = 1024  # of an example: its logits, of a large vocabulary, are in memory at once


@dataclass(frozen=True)
class Loss:
    """A sum over tokens that are learned, in nats, and how many there are."""

    nats: float
    num_tokens: int

    @property
    def perplexity(self) -> float:
        """Of how many tokens, all alike, it is as hard to choose the right one."""
        return math.exp(self.nats / self.num_tokens)


def total_of(parts: Iterable[Loss]) -> Loss:
    """The loss on all parts together."""
    together = list(parts)
    return Loss(sum(p.nats for p in together), sum(p.num_tokens for p in together))


def losses(
    folder: Path,
    texts: Mapping[str, Sequence[Example]],
    *,
    system_prompt: str | None = None,
    precision: Precision = "auto",
) -> dict[str, Loss]:
    """The loss of the model in `folder` on each of `texts`: on answers, and on whole passages.

    Conversations begin with `system_prompt`, or the one the model was trained with if it is None.
    Of an example the first 1,024 tokens count; texts of which nothing is left are left out.

    Raises:
        ModelRejected: the model cannot be loaded, or has no chat template and there are chats.
        DatasetRejected: a chat template refuses an example.
    """
    chat = load_chat_model(folder, precision=precision)
    prompt = chat.system_prompt if system_prompt is None else system_prompt
    found: dict[str, Loss] = {}
    for name, examples in texts.items():
        encoded = chat.codec.encode_many(examples, system_prompt=prompt)
        usable = [each for example in encoded if (each := truncate(example, _MAX_TOKENS)).usable]
        if usable:
            found[name] = total_of(_loss(chat, example) for example in usable)
    del chat
    gc.collect()  # before the next model needs the room
    return found


def _loss(chat: ChatModel, example: EncodedExample) -> Loss:
    token_ids_T: Tensor = torch.from_numpy(example.token_ids).long().to(chat.model.device)
    learned_T = torch.from_numpy(example.trained).to(chat.model.device)[1:]
    with torch.inference_mode():
        logits_TV = chat.model(input_ids=token_ids_T[None], use_cache=False).logits[0, :-1]
        nats = nn.functional.cross_entropy(
            logits_TV[learned_T].float(), token_ids_T[1:][learned_T], reduction="sum"
        )
    return Loss(float(nats), int(learned_T.sum()))
