"""A tokenizer small enough to read, and templates with the habits of real ones."""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from tunesmith.text.codec import TextCodec

CHATML = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nBe helpful<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRIMMING = CHATML.replace("message['content']", "message['content'] | trim")
# As reasoning models do: what was thought is dropped from all answers but the last.
FORGETFUL = CHATML.replace(
    "message['content']",
    "(message['content'] if loop.last else message['content'].split('</think>')[-1])",
)
ENDLESS = CHATML.replace("<|im_end|>", "")

SPECIAL_TOKENS = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}


def tiny_tokenizer() -> Tokenizer:
    return byte_level_tokenizer(["<|endoftext|>", "<|im_start|>", "<|im_end|>"])


def byte_level_tokenizer(special_tokens: Sequence[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(special_tokens),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["user assistant system tool", "hello world, hello you"], trainer)
    return tokenizer


def tiny_codec(template: str | None = CHATML, **special_tokens: str) -> TextCodec:
    return TextCodec(
        tiny_tokenizer(),
        chat_template=template,
        special_tokens={**SPECIAL_TOKENS, **special_tokens},
    )
