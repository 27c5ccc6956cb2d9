"""What holds for every conversation, not only for those somebody thought of."""

from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.text.families import FAMILIES, codec_of, template_of
from tests.text.tiny import tiny_codec
from tunesmith.text.codec import TextCodec
from tunesmith.text.conversation import Conversation, Message
from tunesmith.text.encoded import EncodedExample
from tunesmith.text.layout import Layout, locate_all
from tunesmith.text.molds import Typesetter
from tunesmith.text.template import ChatTemplate

codec = cache(tiny_codec)

# Any character; a surrogate is none.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: bool(text.strip())
)
blanks = st.sampled_from(["", " ", "\n", "\n\n ", "\u2003"])
texts_in_blanks = st.tuples(blanks, texts, blanks).map("".join)


@st.composite
def conversations(draw: st.DrawFn, texts: st.SearchStrategy[str] = texts) -> Conversation:
    system = [Message("system", draw(texts))] if draw(st.booleans()) else []
    turns = [
        turn
        for _ in range(draw(st.integers(1, 4)))
        for turn in (Message("user", draw(texts)), Message("assistant", draw(texts)))
    ]
    return Conversation((*system, *turns))


def answers(conversation: Conversation) -> list[str]:
    return [each.content for each in conversation.messages if each.role == "assistant"]


def trained_runs(encoded: EncodedExample) -> list[list[int]]:
    """Token ids of every run of trained tokens."""
    runs: list[list[int]] = []
    before = False
    for token_id, trained in zip(encoded.token_ids.tolist(), encoded.trained.tolist(), strict=True):
        if trained and not before:
            runs.append([])
        if trained:
            runs[-1].append(token_id)
        before = trained
    return runs


@given(conversations())
def test_exactly_the_answers_and_their_ends_are_trained(conversation: Conversation) -> None:
    encoded = codec().encode(conversation)
    runs = [
        codec().tokenizer.decode(ids, skip_special_tokens=False) for ids in trained_runs(encoded)
    ]
    assert runs == [f"{answer}<|im_end|>" for answer in answers(conversation)]
    assert len(encoded.turn_ends) == len(runs)


@given(conversations())
def test_an_answer_comes_back_from_its_tokens(conversation: Conversation) -> None:
    runs = trained_runs(codec().encode(conversation))
    assert [codec().decode(ids) for ids in runs] == answers(conversation)


@settings(max_examples=50)
@given(st.lists(conversations(), min_size=1, max_size=5))
def test_many_are_encoded_as_each(examples: list[Conversation]) -> None:
    for example, encoded in zip(examples, codec().encode_many(examples), strict=True):
        alone = codec().encode(example)
        assert encoded.token_ids.tolist() == alone.token_ids.tolist()
        assert encoded.trained.tolist() == alone.trained.tolist()
        assert encoded.roles.tolist() == alone.roles.tolist()


@given(conversations())
def test_serving_reads_what_training_read(conversation: Conversation) -> None:
    encoded = codec().encode(conversation)
    prompt = codec().encode_prompt(conversation.messages[:-1])
    [*_, last] = trained_runs(encoded)
    end = int(encoded.turn_ends[-1]) + 1
    assert encoded.token_ids[:end].tolist() == prompt + last


@cache
def family(name: str) -> TextCodec:
    return codec_of(name)


@settings(max_examples=300)
@given(conversations(), st.sampled_from(["qwen3", "llama3", "mistral", "gemma", "glm4", "phi3"]))
def test_every_family_trains_every_answer_to_its_end(conversation: Conversation, name: str) -> None:
    encoded = family(name).encode(conversation)
    runs = [family(name).decode(ids).strip() for ids in trained_runs(encoded)]
    expected = [answer.strip() for answer in answers(conversation)]
    if name == "qwen3":
        runs[-1] = runs[-1].removeprefix("<think>\n\n</think>\n\n").strip()
    assert [run.removeprefix("</think>").strip() for run in runs] == expected
    assert encoded.trained[encoded.turn_ends].all()


@cache
def template_and_typesetter(name: str) -> tuple[ChatTemplate, Typesetter]:
    tokens = FAMILIES[name]
    named = {"bos_token": tokens.bos_token, "eos_token": tokens.eos_token}
    template = ChatTemplate(template_of(name), special_tokens=named)
    return template, Typesetter(template)


@settings(max_examples=300)
@given(conversations(texts_in_blanks), st.sampled_from(sorted(FAMILIES)))
def test_a_filled_mold_is_what_the_template_renders(conversation: Conversation, name: str) -> None:
    template, typesetter = template_and_typesetter(name)
    text = template.render(conversation.messages)
    spans = locate_all(conversation.messages, text=text, template=template, tools="")
    assert typesetter.lay_out(conversation.messages) == Layout(text, spans)
