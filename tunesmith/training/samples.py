"""Answers of the model while it learns, for people to read. No step depends on anything here."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch
from transformers import AutoConfig, PreTrainedModel

from tunesmith.errors import DatasetRejected, ModelRejected, RecipeInvalid
from tunesmith.events import Sampled
from tunesmith.modeling.answer import ChatModel, Sampling, check_end
from tunesmith.modeling.kernels.attention import PACKED
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Message
from tunesmith.training.config import TrainConfig

_MOST_SECONDS = 60.0  # for all answers of a step; what is not said by then is cut


def check_prompts(config: TrainConfig, base: Path) -> None:
    """Refuse, before anything is trained, prompts that the base could not be asked.

    Raises:
        RecipeInvalid: the base has no chat template or end of an answer, or too short a context.
    """
    if not config.samples.prompts:
        return
    codec = TextCodec.from_folder(base)
    try:
        check_end(codec, str(base))
        prompts = [
            codec.encode_prompt([Message("user", prompt)], system_prompt=config.data.system_prompt)
            for prompt in config.samples.prompts
        ]
    except (DatasetRejected, ModelRejected) as error:
        raise RecipeInvalid(
            f"samples.prompts cannot be asked: {error.message}", hint="leave samples out"
        ) from error
    text_config = AutoConfig.from_pretrained(base, local_files_only=True).get_text_config()
    context = getattr(text_config, "max_position_embeddings", None)
    longest = max(map(len, prompts)) + config.samples.max_tokens
    if context is not None and longest > context:
        raise RecipeInvalid(
            f"samples.prompts and answers take up to {longest} tokens, the base reads {context}",
            hint="shorten the prompts or lower samples.max_tokens",
        )


def make_chat(config: TrainConfig, model: PreTrainedModel, base: Path) -> ChatModel | None:
    """The model in training as one that answers; None where the recipe asks nothing."""
    if not config.samples.prompts:
        return None
    model.generation_config.max_length = None  # the recipe says how long an answer may be
    model.generation_config.max_time = _MOST_SECONDS
    return ChatModel(model, TextCodec.from_folder(base), config.data.system_prompt)


def sample(chat: ChatModel, config: TrainConfig, *, step: int) -> list[Sampled]:
    """The likeliest answer to each prompt after `step` steps; weights, mode and chance stay."""
    begun = time.monotonic()
    conversations = [[Message("user", prompt)] for prompt in config.samples.prompts]
    with _answering(chat.model):
        answers = chat.answer(
            conversations, sampling=Sampling(max_new_tokens=config.samples.max_tokens)
        )
    seconds = (time.monotonic() - begun) / len(answers)
    return [
        Sampled(step=step, prompt=prompt, answer=answer, seconds=seconds)
        for prompt, answer in zip(config.samples.prompts, answers, strict=True)
    ]


@contextmanager
def _answering(model: PreTrainedModel) -> Generator[None]:
    """Within, `model` generates: no dropout, and attention with a cache instead of packed rows."""
    model.eval()
    model.set_attn_implementation("sdpa")
    try:
        with torch.random.fork_rng():  # should an architecture draw, training does not notice
            yield
    finally:
        model.set_attn_implementation(PACKED)
        model.train()
