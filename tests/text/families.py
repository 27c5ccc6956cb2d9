"""The chat templates of well-known families, each with a tiny tokenizer of its special tokens."""

from dataclasses import dataclass
from pathlib import Path

from tests.text.tiny import byte_level_tokenizer
from tunesmith.text.codec import TextCodec


@dataclass(frozen=True)
class Family:
    special_tokens: tuple[str, ...]
    eos_token: str
    bos_token: str = ""
    stop_tokens: tuple[str, ...] = ()  # of the generation settings, beside the end of text


_CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")

FAMILIES = {
    "smollm2": Family(_CHATML, "<|im_end|>", "<|im_start|>"),
    "qwen2_5": Family(_CHATML, "<|im_end|>"),
    "qwen3": Family((*_CHATML, "<think>", "</think>"), "<|im_end|>"),
    "llama3": Family(
        (
            *("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"),
            *("<|start_header_id|>", "<|end_header_id|>"),
        ),
        "<|eot_id|>",
        "<|begin_of_text|>",
    ),
    "mistral": Family(
        (
            *("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]"),
            *("[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"),
        ),
        "</s>",
        "<s>",
    ),
    "gemma": Family(("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<eos>", "<bos>"),
    "phi3": Family(
        ("<s>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"),
        "<|endoftext|>",
        "<s>",
    ),
    "glm4": Family(
        (
            *("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>"),
            "<|observation|>",
        ),
        "<|endoftext|>",
        stop_tokens=("<|user|>", "<|observation|>"),
    ),
    "yi": Family(("<|startoftext|>", *_CHATML), "<|im_end|>", "<|startoftext|>"),
}


def template_of(name: str) -> str:
    return (Path(__file__).parent / "templates" / f"{name}.jinja").read_text("utf-8")


def codec_of(name: str) -> TextCodec:
    family = FAMILIES[name]
    tokenizer = byte_level_tokenizer(family.special_tokens)
    named = {"bos_token": family.bos_token, "eos_token": family.eos_token}
    stop_ids = [tokenizer.token_to_id(token) for token in family.stop_tokens]
    return TextCodec(
        tokenizer,
        chat_template=template_of(name),
        special_tokens={key: text for key, text in named.items() if text},
        stop_ids=[each for each in stop_ids if each is not None],
    )
