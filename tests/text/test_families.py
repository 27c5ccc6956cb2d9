"""Every family's template: the exact text and mask, equal to transformers, and to serving."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.text.families import FAMILIES, codec_of, template_of
from tests.text.golden import GOLDEN
from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Conversation, Message
from tunesmith.text.encoded import EncodedExample
from tunesmith.text.layout import locate_all
from tunesmith.text.molds import Typesetter
from tunesmith.text.template import ChatTemplate

SYSTEM = Message("system", "Be brief.")
SINGLE = (Message("user", "2+2?"), Message("assistant", "It is 4."))
SEVERAL = (*SINGLE, Message("user", "Sure?"), Message("assistant", "Yes 😀."))
REASONED = (SINGLE[0], Message("assistant", "<think>\neasy\n</think>\n\nIt is 4."))
CALL = Message(
    "assistant",
    "",
    tool_calls='[{"id":"abcdef123","type":"function",'
    '"function":{"name":"add","arguments":{"b":2,"a":2}}}]',
)
TOOLS = (
    '[{"type":"function","function":'
    '{"name":"add","description":"Adds.","parameters":{"type":"object"}}}]'
)
RESULT = Message("tool", "4", tool_call_id="abcdef123")

CONVERSATIONS = {
    "single": Conversation(SINGLE),
    "several": Conversation(SEVERAL),
    "system": Conversation((SYSTEM, *SEVERAL)),
    "tools": Conversation((SINGLE[0], CALL, RESULT, *SEVERAL[1:]), TOOLS),
    "call": Conversation((SINGLE[0], CALL), TOOLS),
    "reasoning": Conversation(REASONED),
    "earlier_reasoning": Conversation((*REASONED, *SEVERAL[2:])),
    "later_reasoning": Conversation((*SEVERAL[2:], *REASONED)),
}
CASES = [(family, name) for family, texts in GOLDEN.items() for name in texts]

codec = cache(codec_of)


def marked(encoded: EncodedExample) -> str:
    """The text with what is trained in ⟦ ⟧."""
    text, position, inside = "", 0, False
    ends = np.maximum.accumulate(encoded.char_ends).tolist()
    for end, trained in zip(ends, encoded.trained.tolist(), strict=True):
        if trained != inside:
            text += "⟦" if trained else "⟧"
            inside = trained
        text += encoded.text[position:end]
        position = end
    return text + ("⟧" if inside else "")


def by_transformers(family: str, example: Conversation, **options: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    tokens = FAMILIES[family]
    named = {"bos_token": tokens.bos_token or None, "eos_token": tokens.eos_token}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=codec(family).tokenizer, chat_template=template_of(family), **named
    )
    from tunesmith.text.template import _parsed, _variables

    return tokenizer.apply_chat_template(
        [_variables(message) for message in example.messages],
        tools=_parsed(example.tools) if example.tools else None,
        **options,
    )


def as_the_model_has_it(family: str, example: Conversation) -> Conversation:
    """Gemma and Mistral have no system message: it is the first paragraph of the first question."""
    system, *rest = example.messages
    if system.role != "system" or family not in ("gemma", "mistral"):
        return example
    first = Message("user", f"{system.content}\n\n{rest[0].content}")
    return Conversation((first, *rest[1:]), example.tools)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_the_text_and_what_is_trained_are_exact(family: str, name: str) -> None:
    encoded = codec(family).encode(CONVERSATIONS[name])
    assert marked(encoded) == GOLDEN[family][name]
    assert encoded.trained[encoded.turn_ends].all()
    assert set(encoded.token_ids[encoded.turn_ends].tolist()) <= set(codec(family).end_ids)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_text_and_ids_are_those_of_transformers(family: str, name: str) -> None:
    example = CONVERSATIONS[name]
    encoded = codec(family).encode(example)
    expected = as_the_model_has_it(family, example)
    text = by_transformers(family, expected, tokenize=False)
    # GLM's template leaves the end of the last turn to the beginning of the next.
    closing = {"call": "<|observation|>"}.get(name, "<|user|>") if family == "glm4" else ""
    assert encoded.text == text + closing
    ids = by_transformers(family, expected, return_dict=False)
    assert encoded.token_ids.tolist()[: len(ids)] == ids
    assert len(encoded) == len(ids) + bool(closing)


@pytest.mark.parametrize(("family", "name"), CASES)
def test_serving_asks_with_the_very_tokens_before_the_last_answer(family: str, name: str) -> None:
    example = CONVERSATIONS[name]
    asked = Conversation(example.messages[:-1], example.tools)
    prompt = codec(family).encode_prompt(asked.messages, tools=asked.tools)
    expected = as_the_model_has_it(family, asked)
    assert prompt == by_transformers(
        family, expected, add_generation_prompt=True, return_dict=False
    )
    encoded = codec(family).encode(example)
    last_trained = np.flatnonzero(~encoded.trained[: encoded.turn_ends[-1]])[-1] + 1
    assert encoded.token_ids[:last_trained].tolist() == prompt


@pytest.mark.parametrize("family", FAMILIES)
def test_many_are_encoded_as_each(family: str) -> None:
    examples = [CONVERSATIONS[name] for name in GOLDEN[family]]
    many = codec(family).encode_many(examples)
    fresh = codec_of(family)
    for example, encoded in zip(reversed(examples), reversed(many), strict=True):
        assert marked(fresh.encode(example)) == marked(encoded)


@pytest.mark.parametrize("family", ["gemma", "mistral"])
def test_a_system_prompt_joins_the_first_question_where_it_has_no_place(family: str) -> None:
    prompt = codec(family).encode_prompt(SINGLE[:1], system_prompt="Be brief.")
    assert "Be brief.\n\n2+2?" in codec(family).tokenizer.decode(prompt)
    with pytest.raises(DatasetRejected, match="no user message follows it that it could join"):
        codec(family).encode_prompt([SYSTEM])


@pytest.mark.parametrize(
    ("family", "messages", "sentence"),
    [
        ("gemma", (*SINGLE, *SINGLE[1:]), "roles must alternate"),
        ("gemma", (SINGLE[0], CALL, RESULT, SINGLE[1]), "roles must alternate"),
        ("llama3", (SINGLE[0], CALL), "only supports single tool-calls"),
        ("mistral", (SINGLE[0], CALL), "Tool call IDs should be"),
    ],
)
def test_what_a_family_refuses_is_said_in_its_own_words(
    family: str, messages: tuple[Message, ...], sentence: str
) -> None:
    if family == "llama3":
        calls = CALL.tool_calls
        messages = (messages[0], Message("assistant", "", f"{calls[:-1]},{calls[1:]}"))
    if family == "mistral":
        messages = (messages[0], Message("assistant", "", CALL.tool_calls.replace("abcdef", "")))
    with pytest.raises(DatasetRejected, match=sentence):
        codec(family).encode(Conversation(messages))


def test_a_template_without_a_generation_prompt_does_not_have_its_header_learned() -> None:
    source = template_of("smollm2").split("{% if add_generation_prompt")[0]
    with_header = TextCodec(
        codec("smollm2").tokenizer, chat_template=source, special_tokens={"eos_token": "<|im_end|>"}
    )
    assert marked(with_header.encode(CONVERSATIONS["single"])) == GOLDEN["smollm2"]["single"]


def test_calls_are_located_by_what_they_change() -> None:
    """A second answer that quotes a call word for word is not taken for the call."""
    call = codec("mistral").encode(CONVERSATIONS["call"])
    quoted = call.text.split("[/INST]")[1].removesuffix("</s>")
    twice = (SINGLE[0], CALL, RESULT, Message("assistant", f"I said {quoted}"))
    with pytest.raises(DatasetRejected, match="message 2 of 6 is an answer that cannot"):
        codec("mistral").encode(Conversation((*twice, *SEVERAL[2:]), TOOLS))


@pytest.mark.parametrize(("family", "name"), CASES)
def test_a_mold_and_probing_agree(family: str, name: str) -> None:
    example = CONVERSATIONS[name]
    template = ChatTemplate(
        template_of(family),
        special_tokens={
            "bos_token": FAMILIES[family].bos_token,
            "eos_token": FAMILIES[family].eos_token,
        },
    )
    layout = Typesetter(template).lay_out(example.messages, tools=example.tools)
    probed = locate_all(example.messages, text=layout.text, template=template, tools=example.tools)
    assert layout.spans == probed


def test_an_answer_without_anything_is_refused() -> None:
    with pytest.raises(DatasetRejected, match="message 2 of 2 is an answer without content"):
        codec("qwen3").encode(Conversation((SINGLE[0], Message("assistant", " \n"))))


def test_a_template_that_hides_answers_in_a_loop_is_refused_for_every_row() -> None:
    source = template_of("smollm2").replace("in messages %}", "in messages[-1:] %}", 1)
    forgetful = TextCodec(
        codec("smollm2").tokenizer, chat_template=source, special_tokens={"eos_token": "<|im_end|>"}
    )
    for _ in range(2):
        with pytest.raises((DatasetRejected, ModelRejected), match="cannot be located"):
            forgetful.encode(CONVERSATIONS["several"])
