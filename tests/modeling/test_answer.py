"""Answering: in batches, in pieces, and only with models that can end an answer."""

import json
from pathlib import Path

import pytest

from tests.conftest import make_tiny_model
from tunesmith.errors import ModelRejected
from tunesmith.modeling.answer import ChatModel, Sampling, load_chat_model
from tunesmith.text.conversation import Message

SHORT = Sampling(max_new_tokens=12)
CONVERSATIONS = [[Message("user", "what follows " * count)] for count in (3, 1, 2)]


@pytest.fixture(scope="module")
def chat(tiny_model: Path) -> ChatModel:
    return load_chat_model(tiny_model)


def test_greedy_answers_do_not_depend_on_order_or_batch(chat: ChatModel) -> None:
    answers = chat.answer(CONVERSATIONS, sampling=SHORT)
    backwards = chat.answer(CONVERSATIONS[::-1], sampling=SHORT, batch_size=1)
    assert answers == backwards[::-1]


def test_the_pieces_of_a_stream_are_the_answer(chat: ChatModel) -> None:
    pieces: list[str] = []
    answer = chat.stream(CONVERSATIONS[0], sampling=SHORT, on_text=pieces.append)
    assert "".join(pieces).strip() == answer
    assert [answer] == chat.answer(CONVERSATIONS[:1], sampling=SHORT)


def test_a_seed_decides_a_sampled_answer(chat: ChatModel) -> None:
    warm = {seed: Sampling(max_new_tokens=12, temperature=1.0, seed=seed) for seed in (1, 2)}
    [first] = chat.answer(CONVERSATIONS[:1], sampling=warm[1])
    assert [first] == chat.answer(CONVERSATIONS[:1], sampling=warm[1])
    assert [first] != chat.answer(CONVERSATIONS[:1], sampling=warm[2])


def test_a_model_that_cannot_end_a_turn_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "endless", eos_token_id=None, pad_token_id=None)
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "tokenizer_config.json").write_text(json.dumps({}))
    template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"
    (folder / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelRejected, match="no token that ends a turn") as refusal:
        load_chat_model(folder)
    assert "generation_config.json" in refusal.value.hint
