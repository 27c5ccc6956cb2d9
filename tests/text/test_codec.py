import pytest
from tokenizers import processors

from tests.text.tiny import (
    CHATML,
    ENDLESS,
    FORGETFUL,
    SPECIAL_TOKENS,
    TRIMMING,
    tiny_codec,
    tiny_tokenizer,
)
from tunesmith.errors import DatasetRejected, ModelRejected
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Conversation, Message, Passage
from tunesmith.text.encoded import ROLES, EncodedExample, truncate

TURNS = (
    Message("user", "hello"),
    Message("assistant", "hello you"),
    Message("user", "world"),
    Message("assistant", "你好 😀!"),
)


def talk(*messages: Message) -> Conversation:
    return Conversation(messages)


def trained_text(codec: TextCodec, encoded: EncodedExample) -> str:
    ids = encoded.token_ids[encoded.trained].tolist()
    return codec.tokenizer.decode(ids, skip_special_tokens=False)


def role_text(codec: TextCodec, encoded: EncodedExample, role: str) -> str:
    ids = encoded.token_ids[encoded.roles == ROLES.index(role)].tolist()
    return codec.tokenizer.decode(ids, skip_special_tokens=False)


def test_the_text_is_rendered_and_encoded_once() -> None:
    codec = tiny_codec()
    encoded = codec.encode(talk(*TURNS))
    assert encoded.text == (
        "<|im_start|>system\nBe helpful<|im_end|>\n"
        "<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\nhello you<|im_end|>\n"
        "<|im_start|>user\nworld<|im_end|>\n<|im_start|>assistant\n你好 😀!<|im_end|>\n"
    )
    ids = codec.tokenizer.encode(encoded.text, add_special_tokens=False).ids
    assert encoded.token_ids.tolist() == ids


def test_every_answer_and_its_end_is_trained_and_nothing_else() -> None:
    codec = tiny_codec()
    encoded = codec.encode(talk(*TURNS))
    assert trained_text(codec, encoded) == "hello you<|im_end|>你好 😀!<|im_end|>"
    assert encoded.token_ids[encoded.turn_ends].tolist() == [2, 2]
    assert encoded.trained[encoded.turn_ends].all()


def test_tokens_know_whose_they_are() -> None:
    codec = tiny_codec()
    encoded = codec.encode(talk(Message("system", "be kind"), Message("tool", "7"), *TURNS))
    assert role_text(codec, encoded, "system") == "be kind"
    assert role_text(codec, encoded, "tool") == "7"
    assert role_text(codec, encoded, "user") == "helloworld"
    assert role_text(codec, encoded, "assistant") == "hello you<|im_end|>你好 😀!<|im_end|>"


def test_content_that_looks_like_the_template_is_not_mistaken_for_it() -> None:
    codec = tiny_codec()
    encoded = codec.encode(talk(Message("user", "assistant\nuser"), Message("assistant", "user")))
    assert role_text(codec, encoded, "user") == "assistant\nuser"
    assert trained_text(codec, encoded) == "user<|im_end|>"


def test_all_trains_every_token() -> None:
    encoded = tiny_codec().encode(talk(*TURNS), train_on="all")
    assert encoded.trained.all()
    assert len(encoded.turn_ends) == 2


def test_the_prompt_of_serving_is_the_beginning_of_training() -> None:
    codec = tiny_codec()
    encoded = codec.encode(talk(*TURNS), system_prompt="be brief")
    prompt = codec.encode_prompt(TURNS[:1], system_prompt="be brief")
    first_trained = int(encoded.trained.argmax())
    assert encoded.token_ids[:first_trained].tolist() == prompt


def test_a_system_prompt_yields_to_the_conversations_own() -> None:
    codec = tiny_codec()
    own = talk(Message("system", "be kind"), *TURNS)
    assert "be brief" in codec.encode(talk(*TURNS), system_prompt="be brief").text
    assert codec.encode(own, system_prompt="be brief").text == codec.encode(own).text


def test_a_template_that_trims() -> None:
    codec = tiny_codec(TRIMMING)
    encoded = codec.encode(
        talk(Message("user", " hello "), Message("assistant", "\n hello you \n"))
    )
    assert trained_text(codec, encoded) == "hello you<|im_end|>"
    assert role_text(codec, encoded, "user") == "hello"


def test_a_template_that_rewrites_earlier_answers() -> None:
    codec = tiny_codec(FORGETFUL)
    thinking = Message("assistant", "<think>hm</think>hello")
    encoded = codec.encode(talk(TURNS[0], thinking, TURNS[2], thinking))
    assert trained_text(codec, encoded) == "hello<|im_end|><think>hm</think>hello<|im_end|>"


@pytest.mark.parametrize(
    "template",
    [
        CHATML.replace("messages %}", "messages[-1:] %}", 1),  # forgets the first answer
        CHATML + "{{ messages[1].content }}",  # says it twice
        CHATML.replace("message['content']", "message['content'] | lower"),  # rewrites it
    ],
)
def test_an_answer_is_located_or_refused_never_guessed(template: str) -> None:
    with pytest.raises(DatasetRejected, match="message 2 of 4 is an answer that cannot be located"):
        tiny_codec(template).encode(talk(*TURNS))


def test_an_answer_without_an_end_is_refused() -> None:
    with pytest.raises(ModelRejected, match=r"no end-of-turn token .*never learn to stop"):
        tiny_codec(ENDLESS).encode(talk(*TURNS))


def test_whitespace_before_the_end_of_turn_is_learned_too() -> None:
    spaced = CHATML.replace("+ '<|im_end|>", "+ '\n<|im_end|>")
    codec = tiny_codec(spaced)
    assert trained_text(codec, codec.encode(talk(*TURNS[:2]))) == "hello you\n<|im_end|>"


def test_the_templates_own_end_of_turn_is_an_end() -> None:
    codec = tiny_codec(eos_token="<|endoftext|>")
    assert codec.end_ids == (0, 2)
    assert trained_text(codec, codec.encode(talk(*TURNS[:2]))) == "hello you<|im_end|>"


def test_a_token_across_the_start_of_an_answer_is_not_trained() -> None:
    opened = CHATML.replace("'\n' + message", "'\n h' + message")
    codec = tiny_codec(opened.replace("assistant\n' }}", "assistant\n h' }}"))
    encoded = codec.encode(talk(Message("user", "hello"), Message("assistant", "ello you")))
    assert trained_text(codec, encoded) == " you<|im_end|>"  # " hello" is one token


def test_a_passage_is_learned_whole_with_its_end() -> None:
    codec = tiny_codec(None)
    encoded = codec.encode(Passage("hello 你"))
    assert encoded.trained.all()
    assert trained_text(codec, encoded) == "hello 你<|im_end|>"
    assert set(encoded.roles.tolist()) == {ROLES.index("text")}


def test_a_passage_begins_as_the_tokenizer_begins_plain_text() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", 1)]
    )
    codec = TextCodec(tokenizer, chat_template=None, special_tokens=SPECIAL_TOKENS)
    ids = codec.encode(Passage("hello")).token_ids.tolist()
    assert ids == [*tokenizer.encode("hello").ids, 2]


def test_what_a_model_cannot_do_is_said() -> None:
    with pytest.raises(ModelRejected, match="has no chat template"):
        tiny_codec(None).encode(talk(*TURNS))
    with pytest.raises(ModelRejected, match="no end-of-turn token"):
        TextCodec(tiny_tokenizer(), chat_template=None, special_tokens={}).encode(Passage("hello"))
    with pytest.raises(ModelRejected, match="no token '<eos>', the model's eos_token"):
        tiny_codec(eos_token="<eos>")
    call = Message("assistant", "", tool_calls='[{"name": "weather"}]')
    with pytest.raises(DatasetRejected, match="message 2 of 3 calls tools, which the chat templ"):
        tiny_codec().encode(talk(Message("user", "hello"), call, Message("assistant", "you")))


def test_many_are_encoded_as_each() -> None:
    codec = tiny_codec()
    examples = [talk(*TURNS), Passage("hello"), talk(*TURNS[:2])]
    for one, many in zip(map(codec.encode, examples), codec.encode_many(examples), strict=True):
        assert one.token_ids.tolist() == many.token_ids.tolist()
        assert one.trained.tolist() == many.trained.tolist()


def test_decode_leaves_special_tokens_out() -> None:
    codec = tiny_codec()
    encoded = codec.encode(talk(*TURNS))
    assert codec.decode(encoded.token_ids[encoded.trained].tolist()) == "hello you你好 😀!"


def test_truncation_cuts_the_tail_and_says_so() -> None:
    encoded = tiny_codec().encode(talk(*TURNS))
    first_end = int(encoded.turn_ends[0])
    assert truncate(encoded, len(encoded)) is encoded
    cut = truncate(encoded, len(encoded) - 3)
    assert (cut.truncated, cut.usable, cut.turn_ends.tolist()) == (True, True, [first_end])
    assert not truncate(encoded, int(encoded.trained.argmax())).usable


def test_the_digest_follows_all_that_decides_tokens() -> None:
    more_tokens = tiny_tokenizer()
    more_tokens.add_tokens(["hello you"])
    codecs = [
        tiny_codec(),
        tiny_codec(TRIMMING),
        tiny_codec(pad_token="<|endoftext|>"),
        TextCodec(more_tokens, chat_template=CHATML, special_tokens=SPECIAL_TOKENS),
        TextCodec(
            tiny_tokenizer(), chat_template=CHATML, special_tokens=SPECIAL_TOKENS, stop_ids=[0]
        ),
    ]
    assert len({codec.digest for codec in codecs}) == len(codecs)
    assert tiny_codec().digest == tiny_codec().digest
