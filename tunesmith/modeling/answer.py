"""A base model, an adapter or a trained model -> answers, by the text rules of its training."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.generation.streamers import BaseStreamer

from tunesmith.artifacts import read_manifest
from tunesmith.errors import ModelRejected
from tunesmith.modeling.config import SETTINGS
from tunesmith.modeling.load import Precision, load_model, resolve_precision
from tunesmith.modeling.methods import lora
from tunesmith.schema import Strict, setting
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Message


class Sampling(Strict):
    """How the next token is chosen."""

    max_new_tokens: int = setting(256, "longest answer", unit="tokens", ge=1)
    temperature: float = setting(0.0, "0 always takes the likeliest token", ge=0, band=(0, 1.5))
    top_p: float = setting(
        1.0, "choose among the likeliest tokens of this total probability", gt=0, le=1
    )
    seed: int = setting(0, "origin of the random choice", ge=0)


@dataclass(frozen=True)
class ChatModel:
    """A loaded model that answers. `system_prompt` is the one it was trained with, if any."""

    model: PreTrainedModel
    codec: TextCodec
    system_prompt: str

    def answer(
        self,
        conversations: Sequence[Sequence[Message]],
        *,
        sampling: Sampling,
        batch_size: int = 16,
        on_progress: Callable[[int], None] = lambda done: None,
    ) -> list[str]:
        """The next assistant message of each conversation.

        Greedy answers do not depend on the order of the conversations.

        Raises:
            DatasetRejected: the chat template refuses a conversation.
            ModelRejected: the model has no chat template, or it fails.
        """
        prompts = [
            self.codec.encode_prompt(messages, system_prompt=self.system_prompt)
            for messages in conversations
        ]
        by_length = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        answers: dict[int, str] = {}
        for first in range(0, len(by_length), batch_size):
            chosen = by_length[first : first + batch_size]
            texts = self._answer_batch([prompts[index] for index in chosen], sampling)
            answers.update(zip(chosen, texts, strict=True))
            on_progress(len(answers))
        return [answers[index] for index in range(len(prompts))]

    def stream(
        self, messages: Sequence[Message], *, sampling: Sampling, on_text: Callable[[str], None]
    ) -> str:
        """Answer one conversation, passing on each piece of text as soon as it is certain.

        Raises:
            DatasetRejected: the chat template refuses the conversation.
            ModelRejected: the model has no chat template, or it fails.
        """
        prompt = self.codec.encode_prompt(messages, system_prompt=self.system_prompt)
        streamer = _TextStreamer(self.codec, on_text)
        [answer] = self._answer_batch([prompt], sampling, streamer=streamer)
        return answer

    def _answer_batch(
        self, prompts: list[list[int]], sampling: Sampling, *, streamer: BaseStreamer | None = None
    ) -> list[str]:
        longest = max(len(prompt) for prompt in prompts)
        pad = self.codec.end_ids[0]
        token_ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        seen = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        if sampling.temperature > 0:
            torch.manual_seed(sampling.seed)
        # PreTrainedModel does not declare `generate`: its subclasses get it from a mixin.
        generate = cast("Callable[..., Tensor]", self.model.generate)
        with torch.inference_mode():
            output = generate(
                input_ids=token_ids.to(self.model.device),
                attention_mask=seen.to(self.model.device),
                max_new_tokens=sampling.max_new_tokens,
                eos_token_id=list(self.codec.end_ids),
                pad_token_id=pad,
                use_cache=True,
                streamer=streamer,
                **_choice(sampling),
            )
        return [self.codec.decode(ids.tolist()).strip() for ids in output[:, longest:]]


def _choice(sampling: Sampling) -> dict[str, Any]:
    """The arguments of `generate`; None takes back what the model's own settings say."""
    if sampling.temperature == 0:
        return {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
    return {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p}


class _TextStreamer(BaseStreamer):
    """Turns tokens into text as they come; waits while the end of the text is half a character."""

    def __init__(self, codec: TextCodec, on_text: Callable[[str], None]) -> None:
        self._codec, self._on_text = codec, on_text
        self._token_ids: list[int] = []
        self._shown = ""
        self._prompt_seen = False

    def put(self, value: Tensor) -> None:
        """Receive the prompt once, then one token at a time."""
        if not self._prompt_seen:
            self._prompt_seen = True
            return
        self._token_ids += value.tolist()
        text = self._codec.decode(self._token_ids)
        if not text.endswith("\ufffd"):
            self._on_text(text[len(self._shown) :])
            self._shown = text

    def end(self) -> None:
        """Pass on what is left."""
        rest = self._codec.decode(self._token_ids)[len(self._shown) :]
        if rest:
            self._on_text(rest)


def load_chat_model(folder: Path, *, precision: Precision = "auto") -> ChatModel:
    """Load a base model folder, an adapter folder or a trained model folder for answering.

    Raises:
        ModelRejected: the folder is none of these, an adapter's base has changed since training,
            or no token ends a turn, so that an answer would have no end.
    """
    base = base_of(folder)
    model = load_model(base, dtype=resolve_precision(precision), packed=False)
    if base != folder:
        config = lora.read_config(folder)
        lora.apply(model, config, seed=0)
        lora.restore(model, config, folder)
    model.eval()
    model.generation_config.max_length = None
    codec = TextCodec.from_folder(base)
    check_end(codec, str(base))
    return ChatModel(model, codec, read_settings(folder).get("system_prompt", ""))


def check_end(codec: TextCodec, shown: str) -> None:
    """Refuse a model whose answers would have no end; `shown` is what to call it.

    Raises:
        ModelRejected: no token ends a turn.
    """
    if not codec.end_ids:
        raise ModelRejected(
            f"{shown} declares no token that ends a turn",
            hint="set eos_token_id in its generation_config.json",
        )


def read_settings(folder: Path) -> dict[str, Any]:
    """What is recorded beside trained weights: their base model and system prompt; else nothing."""
    path = folder / SETTINGS
    return json.loads(path.read_text("utf-8")) if path.is_file() else {}


def base_of(folder: Path) -> Path:
    """The folder of the base model that the adapter in `folder` needs; `folder` if it needs none.

    Raises:
        ModelRejected: the base is gone, or has changed since the adapter was trained.
    """
    if not (folder / lora.CONFIG).is_file():
        return folder
    recorded = read_settings(folder).get("base", {})
    adapter_config = json.loads((folder / lora.CONFIG).read_text("utf-8"))
    base = Path(recorded.get("folder") or adapter_config["base_model_name_or_path"])
    if not base.is_dir():
        raise ModelRejected(
            f"the base model of {folder} is not at {base}", hint="pull or move it back"
        )
    manifest = read_manifest(base)
    if manifest is not None and recorded and manifest.digest != recorded["digest"]:
        raise ModelRejected(
            f"the base model at {base} is not the one {folder.name} was trained on",
            hint=f"its digest is {manifest.digest[:12]}, trained on {recorded['digest'][:12]}",
        )
    return base
